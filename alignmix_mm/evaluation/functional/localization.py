"""Boxes from score maps, and how well they fit.

The protocol is that of Choe et al., *Evaluating weakly supervised object
localization methods right* (2020). Boxes are ``x0 y0 x1 y1`` in pixels, x to
the right and y down. The last coordinate counts as inside when areas are
measured (the "+1" convention).
"""
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

from ._arrays import to_numpy

#: The thresholds of MaxBoxAcc: 0, 0.001, ... 0.999.
THRESHOLDS = np.arange(0, 1, .001)


def boxes_from_map(scores: np.ndarray,
                   thresholds: ArrayLike = THRESHOLDS,
                   contours: str = 'largest') -> list[np.ndarray]:
    """Boxes around the foreground, for every threshold.

    Scores become 8-bit levels; those above ``threshold`` times the largest
    level are foreground.

    Args:
        scores (np.ndarray): Score map, ``(H, W)``, in [0, 1].
        thresholds (ArrayLike): Fractions of the largest level, ``(T, )``.
            Defaults to ``THRESHOLDS``.
        contours (str): ``'largest'``, the box of the contour with the largest
            area (MaxBoxAcc); ``'all'``, a box for each contour, those of
            holes among them (MaxBoxAccV2); ``'mask'``, one box around all
            foreground. Defaults to ``'largest'``.

    Returns:
        list[np.ndarray]: Boxes ``(n, 4)``, int64, for each threshold. Where
        there is no foreground, one box of zeros.

    Raises:
        ValueError: If arguments do not fit.
    """
    levels, cuts = _cut(scores, thresholds, contours)
    boxes = {cut: _boxes(levels, cut, contours) for cut in np.unique(cuts)}
    return [boxes[cut] for cut in cuts]


def best_iou_curve(scores: np.ndarray,
                   gt_boxes: ArrayLike,
                   thresholds: ArrayLike = THRESHOLDS,
                   contours: str = 'largest') -> np.ndarray:
    """Largest IoU of any predicted with any true box, for every threshold.

    Args:
        scores (np.ndarray): Score map, ``(H, W)``, in [0, 1].
        gt_boxes (ArrayLike): True boxes in pixels of the map, ``(m, 4)``.
        thresholds (ArrayLike): See :func:`boxes_from_map`.
        contours (str): See :func:`boxes_from_map`.

    Returns:
        np.ndarray: ``(T, )``, float64.

    Raises:
        ValueError: If arguments do not fit.
    """
    levels, cuts = _cut(scores, thresholds, contours)
    # at most 256 different masks, however many thresholds
    distinct, index = np.unique(cuts, return_inverse=True)
    best = [box_iou(_boxes(levels, cut, contours), gt_boxes).max()
            for cut in distinct]
    return np.array(best)[index]


def box_iou(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    """Intersection over union of all pairs, the last pixel inside.

    Args:
        a (ArrayLike): Boxes ``(n, 4)``.
        b (ArrayLike): Boxes ``(m, 4)``.

    Returns:
        np.ndarray: ``(n, m)``, float64.

    Raises:
        ValueError: If a box has a negative coordinate or ends before it
            starts.
    """
    a, b = (_check_boxes(boxes) for boxes in (a, b))
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    intersection = np.maximum(high - low + 1, 0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2] + 1).prod(1) for boxes in (a, b)]
    return intersection / (areas[0][:, None] + areas[1] - intersection)


def resize_boxes(boxes: ArrayLike, old_size: tuple[int, int],
                 new_size: tuple[int, int]) -> np.ndarray:
    """Scale boxes with their image, cutting fractions off.

    Args:
        boxes (ArrayLike): ``(m, 4)``.
        old_size (tuple[int, int]): Width and height of the image.
        new_size (tuple[int, int]): Its new width and height.

    Returns:
        np.ndarray: ``(m, 4)``, int64.

    Raises:
        ValueError: If a box is none.
    """
    boxes = _check_boxes(boxes)
    # multiplied first: the quotient of the sizes is not exact
    return (boxes * (new_size * 2) / np.array(old_size * 2)).astype(np.int64)


def max_box_accuracy(
    curves: ArrayLike,
    iou_levels: Sequence[float] = (.3, .5, .7),
    thresholds: ArrayLike | None = None,
) -> dict[str, float]:
    """Share of images whose box fits, at the best threshold of each IoU.

    With curves of the largest contour and level 0.5 this is MaxBoxAcc
    (GT-known localization at the best threshold), with those of all contours
    ``mean`` is MaxBoxAccV2.

    Args:
        curves (ArrayLike): Best IoU of each image and threshold, ``(N, T)``.
        iou_levels (Sequence[float]): IoU from which on a box fits. Defaults
            to ``(.3, .5, .7)``.
        thresholds (ArrayLike, optional): The thresholds, ``(T, )``. Defaults
            to None: ``THRESHOLDS``, or as many evenly spaced ones.

    Returns:
        dict[str, float]: Fractions ``box_acc@30``, ... and ``mean``;
        thresholds ``best_threshold@30``, ..., the first of equally good ones.

    Raises:
        ValueError: If there are no images or thresholds do not fit.
    """
    curves = to_numpy(curves).astype(np.float64)
    if curves.ndim != 2 or not curves.size:
        raise ValueError('Expected curves (N, T) of at least one image, but '
                         f'got {curves.shape}.')
    count = curves.shape[1]
    if thresholds is None:
        thresholds = (THRESHOLDS if count == len(THRESHOLDS) else
                      np.arange(count) / count)
    if len(thresholds) != count:
        raise ValueError(f'Expected {count} thresholds, as many as the curves '
                         f'have, but got {len(thresholds)}.')
    result, accuracies = {}, []
    for level in iou_levels:
        accuracy = (curves >= level).mean(0)
        best = int(accuracy.argmax())
        name = f'@{round(100 * level)}'
        result['box_acc' + name] = float(accuracy[best])
        result['best_threshold' + name] = float(thresholds[best])
        accuracies.append(accuracy[best])
    return dict(result, mean=float(np.mean(accuracies)))


def _cut(scores: np.ndarray, thresholds: ArrayLike,
         contours: str) -> tuple[np.ndarray, np.ndarray]:
    """Levels of a map, and the level of each threshold."""
    scores = np.asarray(scores)
    if contours not in _SELECT:
        raise ValueError(f'Expected `contours` to be one of {list(_SELECT)}, '
                         f'but got {contours!r}.')
    if scores.ndim != 2 or not (scores.min() >= 0 and scores.max() <= 1):
        raise ValueError(
            'Expected a score map (H, W) with values from 0 to 1, but got '
            f'{scores.shape}, {scores.min()} to {scores.max()}. `score_map` '
            'normalizes a raw map.')
    levels = (scores.astype(np.float64) * 255).astype(np.uint8)
    thresholds = np.asarray(thresholds, dtype=np.float64)
    return levels, (thresholds * int(levels.max())).astype(np.int64)


def _boxes(levels: np.ndarray, cut: int, contours: str) -> np.ndarray:
    mask = (levels > cut).astype(np.uint8)
    if not mask.any():
        return np.zeros((1, 4), np.int64)
    x, y, w, h = np.array(_SELECT[contours](mask)).T
    height, width = mask.shape
    return np.stack([x, y, np.minimum(x + w, width - 1),
                     np.minimum(y + h, height - 1)], axis=1).astype(np.int64)


def _contours(mask: np.ndarray) -> Sequence[np.ndarray]:
    """Outer and inner borders; diagonal neighbours are connected."""
    return cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[-2]


# name: rectangles (x, y, width, height) of a mask
_SELECT = {
    'largest': lambda mask: [cv2.boundingRect(
        max(_contours(mask), key=cv2.contourArea))],
    'all': lambda mask: [cv2.boundingRect(c) for c in _contours(mask)],
    'mask': lambda mask: [cv2.boundingRect(mask)],
}


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
