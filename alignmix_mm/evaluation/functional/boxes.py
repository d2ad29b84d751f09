"""Boxes from score maps, and the IoU of boxes.

The protocol is that of Choe et al., *Evaluating weakly supervised object
localization methods right* (2020). Boxes are ``x0 y0 x1 y1`` in pixels, x to
the right and y down. Areas include the last coordinate (the "+1" convention).
"""
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import ArrayLike

#: The thresholds of MaxBoxAcc: 0, 0.001, ... 0.999.
THRESHOLDS = np.arange(0, 1, .001)


def boxes_from_map(scores: np.ndarray,
                   thresholds: ArrayLike = THRESHOLDS,
                   contours: str = 'largest') -> list[np.ndarray]:
    """Boxes around the foreground, for every threshold.

    Scores become 8-bit levels; levels above ``threshold`` times the largest
    level are foreground.

    Args:
        scores (np.ndarray): Score map, ``(H, W)``, any float dtype, in [0, 1].
        thresholds (ArrayLike): Fractions of the largest level, ``(T, )``,
            floats. Defaults to ``THRESHOLDS``.
        contours (str): ``'largest'``, the box of the contour with the largest
            area (MaxBoxAcc); ``'all'``, a box for each contour, including
            those of holes (MaxBoxAccV2); ``'mask'``, one box around all
            foreground. Defaults to ``'largest'``.

    Returns:
        list[np.ndarray]: Boxes ``(n, 4)``, int64, for each threshold. Without
        foreground it is one box of zeros.

    Raises:
        ValueError: If the map, a threshold or ``contours`` is invalid.
    """
    check_contours([contours])
    found, index = boxes_of_levels(scores, thresholds)
    found = [SELECT[contours](boxes) for boxes in found]
    return [found[level] for level in index]


def boxes_of_levels(
        scores: np.ndarray,
        thresholds: ArrayLike) -> tuple[list[np.ndarray], np.ndarray]:
    """All boxes of the distinct masks that thresholds give for a map.

    Whatever the number of thresholds, 8-bit levels give at most 256 masks,
    and contours are searched once in each mask.

    Args:
        scores (np.ndarray): Score map, ``(H, W)``, any float dtype, in [0, 1].
        thresholds (ArrayLike): Fractions of the largest level, ``(T, )``,
            floats.

    Returns:
        tuple[list[np.ndarray], np.ndarray]: The boxes of every mask,
        ``(n, 4)``, int64, that of the largest contour first; and the index of
        the mask of each threshold, ``(T, )``, int64.

    Raises:
        ValueError: If the map is malformed or thresholds are not fractions.
    """
    scores = np.asarray(scores)
    if scores.ndim != 2 or not (scores.min() >= 0 and scores.max() <= 1):
        raise ValueError(
            'Expected a score map (H, W) with values from 0 to 1, but got '
            f'{scores.shape}, {scores.min()} to {scores.max()}. `score_map` '
            'normalizes a raw map.')
    thresholds = np.asarray(thresholds, dtype=np.float64)
    if thresholds.ndim != 1 or not ((thresholds >= 0) & (thresholds <= 1)
                                    ).all():
        raise ValueError('Expected thresholds (T, ) from 0 to 1, but got '
                         f'{thresholds}.')
    levels = (scores.astype(np.float64) * 255).astype(np.uint8)
    cuts = (thresholds * int(levels.max())).astype(np.int64)
    distinct, index = np.unique(cuts, return_inverse=True)
    return [_boxes_above(levels, int(cut)) for cut in distinct], index


def box_iou(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    """Intersection over union of all pairs, including the last pixel.

    Args:
        a (ArrayLike): Boxes in pixels, ``(n, 4)``, any real dtype.
        b (ArrayLike): Boxes in pixels, ``(m, 4)``, any real dtype.

    Returns:
        np.ndarray: ``(n, m)``, float64, in [0, 1].

    Raises:
        ValueError: If there are no boxes, or a box has a negative coordinate
            or ends before it starts.
    """
    a, b = (_check_boxes(boxes) for boxes in (a, b))
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    intersection = np.maximum(high - low + 1, 0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2] + 1).prod(1) for boxes in (a, b)]
    return intersection / (areas[0][:, None] + areas[1] - intersection)


def resize_boxes(boxes: ArrayLike, old_size: tuple[int, int],
                 new_size: tuple[int, int]) -> np.ndarray:
    """Scale boxes with their image, truncating fractions.

    Args:
        boxes (ArrayLike): Boxes in pixels, ``(m, 4)``, any real dtype.
        old_size (tuple[int, int]): Width and height of the image in pixels.
        new_size (tuple[int, int]): Its new width and height.

    Returns:
        np.ndarray: Boxes in pixels of the new size, ``(m, 4)``, int64.

    Raises:
        ValueError: If a box is malformed.
    """
    boxes = _check_boxes(boxes)
    # multiply first, because the quotient of the sizes is not exact
    return (boxes * (tuple(new_size) * 2) /
            np.array(tuple(old_size) * 2)).astype(np.int64)


def check_contours(names: Iterable[str]) -> None:
    """Raise if a choice of contours is unknown.

    Args:
        names (Iterable[str]): See ``boxes_from_map``.

    Raises:
        ValueError: If one of them is unknown.
    """
    for name in names:
        if name not in SELECT:
            raise ValueError('Expected `contours` to be one of '
                             f'{list(SELECT)}, but got {name!r}.')


# name: selection from the boxes of a mask, whose largest contour comes first
SELECT = {
    'largest': lambda boxes: boxes[:1],
    'all': lambda boxes: boxes,
    'mask': lambda boxes: np.hstack([boxes.min(0)[:2], boxes.max(0)[2:]])[
        None],
}


def _boxes_above(levels: np.ndarray, cut: int) -> np.ndarray:
    """Boxes of the contours of all pixels above a level, the largest first.

    There are outer and inner contours; diagonal neighbours are connected. A
    box is a pixel larger than its contour, but not larger than the image. The
    area is that of the polygon through the centres of the border's pixels.
    """
    mask = cv2.threshold(levels, cut, 1, cv2.THRESH_BINARY)[1]
    contours = cv2.findContours(mask, cv2.RETR_TREE,
                                cv2.CHAIN_APPROX_SIMPLE)[-2]
    if not contours:
        return np.zeros((1, 4), np.int64)
    boxes = np.array([cv2.boundingRect(c) for c in contours], np.int64)
    height, width = levels.shape
    boxes[:, 2:] = np.minimum(boxes[:, :2] + boxes[:, 2:],
                              [width - 1, height - 1])
    largest = max(range(len(contours)),
                  key=lambda n: cv2.contourArea(contours[n]))
    boxes[[0, largest]] = boxes[[largest, 0]]
    return boxes


def _check_boxes(boxes: ArrayLike) -> np.ndarray:
    boxes = np.asarray(boxes, dtype=np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes):
        raise ValueError('Expected at least one box, (n, 4), but got '
                         f'{boxes.shape}.')
    bad = (boxes[:, :2] < 0).any(1) | (boxes[:, 2:] < boxes[:, :2]).any(1)
    if bad.any() or not np.isfinite(boxes).all():
        raise ValueError(
            'Expected boxes x0 y0 x1 y1 with 0 <= x0 <= x1 and 0 <= y0 <= y1, '
            f'but got {boxes[bad][:1].tolist() or boxes.tolist()}.')
    return boxes
