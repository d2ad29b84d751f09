"""Shared by all figures: images and texts are shown unchanged."""
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text


def show_image(axes: Axes, image: np.ndarray, **options: object) -> None:
    """Draw an image; gray images are drawn from black to white.

    Args:
        axes (Axes): Axes to draw on.
        image (np.ndarray): ``(H, W, 3)``, ``(H, W, 1)`` or ``(H, W)``;
            integers from 0 to 255, or floats from 0 to 1.
        **options: See ``Axes.imshow``.
    """
    is_whole = np.issubdtype(np.asarray(image).dtype, np.integer)
    # colour images ignore the colour map and the limits
    axes.imshow(image, cmap='gray', vmin=0, vmax=255 if is_whole else 1,
                **options)


def plain_texts(figure: Figure) -> Figure:
    """Show the texts of a figure literally.

    Labels and names of classes come from users. Matplotlib reads text between
    two ``$`` as a formula, and fails if it is not one. It also fails if a
    text is not valid Unicode, as names of files may be.

    Args:
        figure (Figure): A complete figure, changed in place.

    Returns:
        Figure: The same figure.
    """
    for text in figure.findobj(Text):
        text.set_parse_math(False)
        shown = text.get_text().encode(errors='replace').decode()
        if shown != text.get_text():
            text.set_text(shown)
    return figure
