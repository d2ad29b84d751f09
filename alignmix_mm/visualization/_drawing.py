"""What all figures have in common: images and texts are shown as they are."""
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text


def show_image(axes: Axes, image: np.ndarray, **options: object) -> None:
    """Draw an image; gray ones in gray, from black to white.

    Args:
        axes (Axes): Where.
        image (np.ndarray): ``(H, W, 3)``, ``(H, W, 1)`` or ``(H, W)``;
            integers from 0 to 255, or floats from 0 to 1.
        **options: See ``Axes.imshow``.
    """
    is_whole = np.issubdtype(np.asarray(image).dtype, np.integer)
    # neither colours nor limits matter to an image in colour
    axes.imshow(image, cmap='gray', vmin=0, vmax=255 if is_whole else 1,
                **options)


def plain_texts(figure: Figure) -> Figure:
    """Show the texts of a figure as they are.

    Users name labels and classes. Matplotlib takes what is between two ``$``
    for a formula, and fails if it is not one, or if a text is not Unicode, as
    names of files can be.

    Args:
        figure (Figure): A complete figure, changed in place.

    Returns:
        Figure: The same.
    """
    for text in figure.findobj(Text):
        text.set_parse_math(False)
        shown = text.get_text().encode(errors='replace').decode()
        if shown != text.get_text():
            text.set_text(shown)
    return figure
