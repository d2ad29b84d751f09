"""Pictures of SaliencyMix: saliency, box and mixture."""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ._drawing import plain_texts, show_image

TITLES = ('image', 'partner', 'its saliency', 'mixed')


class SaliencyPicture(NamedTuple):
    """An image, its partner, and their mixture.

    Attributes:
        image (np.ndarray): ``(H, W, 3)``, uint8, RGB; or one channel, gray.
        partner (np.ndarray): The partner, likewise.
        saliency (np.ndarray): Saliency of the partner, ``(H, W)``, floats in
            [0, 1].
        box (np.ndarray): Box that is pasted, ``(y1, x1, y2, x2)`` in pixels,
            ``(4, )``, integers; row y2 and column x2 are outside.
        mixed (np.ndarray): The mixture, like the image.
        weight (float): Weight of the image's label, in [0, 1].
    """

    image: np.ndarray
    partner: np.ndarray
    saliency: np.ndarray
    box: np.ndarray
    mixed: np.ndarray
    weight: float


def plot_saliency(pictures: Sequence[SaliencyPicture]) -> Figure:
    """Draw image, partner, saliency with the box, and mixture in rows.

    Args:
        pictures (Sequence[SaliencyPicture]): Pictures to draw.

    Returns:
        Figure: A row for each picture.

    Raises:
        ValueError: If there are no pictures.
    """
    if not pictures:
        raise ValueError('Expected at least one picture to draw.')
    figure = Figure(figsize=(8.4, 2.2 * len(pictures) + .2),
                    layout='constrained')
    for row, picture in zip(
            figure.subplots(len(pictures), 4, squeeze=False), pictures):
        for axes in row:
            axes.set_axis_off()
        for axes, shown in zip(row[[0, 1, 3]], (
                picture.image, picture.partner, picture.mixed)):
            show_image(axes, shown)
        row[2].imshow(picture.saliency, cmap='magma', vmin=0)
        for axes in row[1:]:
            _draw(axes, picture.box)
        place = np.unravel_index(picture.saliency.argmax(),
                                 picture.saliency.shape)
        row[2].plot(*place[::-1], 'c+', markersize=9)
        row[3].set_title(f'weight {picture.weight:.2f}', fontsize='small',
                         loc='right')
        for axes, title in zip(row, TITLES):
            axes.set_title(title, fontsize='small', loc='left')
    return plain_texts(figure)


def _draw(axes: Axes, box: np.ndarray) -> None:
    y1, x1, y2, x2 = box
    # pixels extend half a pixel from their centre
    axes.add_patch(Rectangle((x1 - .5, y1 - .5), x2 - x1, y2 - y1, fill=False,
                             color='cyan', linewidth=1.4))
