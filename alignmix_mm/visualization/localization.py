"""Localization examples, Figure 5."""
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ._drawing import plain_texts, show_image

PREDICTED, TRUE = 'red', 'lime'


class LocalizedPicture(NamedTuple):
    """An image with its score map and boxes.

    Attributes:
        image (np.ndarray): ``(H, W, 3)``, uint8, RGB; or one channel, gray.
        scores (np.ndarray): Score map, ``(H, W)``, floats in [0, 1].
        box (np.ndarray): Predicted box x0 y0 x1 y1 in pixels, ``(4, )``, any
            real dtype.
        gt_boxes (np.ndarray): True boxes, likewise, ``(m, 4)``; m may be 0.
        title (str): Title above the image.
    """

    image: np.ndarray
    scores: np.ndarray
    box: np.ndarray
    gt_boxes: np.ndarray
    title: str


def plot_localization(pictures: Sequence[LocalizedPicture],
                      columns: int = 4) -> Figure:
    """Draw images and heat maps, with predicted boxes red, true ones green.

    Args:
        pictures (Sequence[LocalizedPicture]): Images to draw.
        columns (int): Maximum number of images in a row. Defaults to 4.

    Returns:
        Figure: A grid; the heat map of each image is to its right.

    Raises:
        ValueError: If there are no pictures.
    """
    if not pictures:
        raise ValueError('Expected at least one picture to draw.')
    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    figure = Figure(figsize=(3.4 * columns, 1.95 * rows + .3),
                    layout='constrained')
    axes = figure.subplots(rows, 2 * columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for n, picture in enumerate(pictures):
        left, right = axes[n // columns, 2 * (n % columns):][:2]
        for axis in left, right:
            show_image(axis, picture.image)
            _draw(axis, picture.box, PREDICTED)
            for box in picture.gt_boxes:
                _draw(axis, box, TRUE)
        right.imshow(picture.scores, cmap='jet', alpha=.5, vmin=0, vmax=1)
        left.set_title(picture.title, fontsize='small', loc='left')
    shown = [('predicted', PREDICTED)]
    if any(len(picture.gt_boxes) for picture in pictures):
        shown.append(('true', TRUE))
    handles = [Rectangle((0, 0), 1, 1, fill=False, color=color, label=label)
               for label, color in shown]
    figure.legend(handles=handles, loc='outside upper right', ncols=2,
                  fontsize='small', frameon=False)
    return plain_texts(figure)


def _draw(axes: Axes, box: np.ndarray, color: str) -> None:
    (x0, y0), (x1, y1) = box[:2], box[2:]
    # the last pixel is inside; pixels extend half a pixel from their centre
    axes.add_patch(Rectangle((x0 - .5, y0 - .5), x1 - x0 + 1, y1 - y0 + 1,
                             fill=False, color=color, linewidth=1.6))
