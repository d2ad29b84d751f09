"""How well boxes of score maps fit the true boxes: Top-1 Loc, MaxBoxAcc.

The protocol is that of Choe et al., *Evaluating weakly supervised object
localization methods right* (2020), and, for a fixed threshold, of Yun et al.,
*CutMix* (2019).
"""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import to_numpy
from .boxes import (
    SELECT,
    THRESHOLDS,
    box_iou,
    boxes_from_map,
    boxes_of_levels,
    check_contours,
)
from .cam import score_map

#: The first of ``THRESHOLDS`` for each mask of a map whose largest level is
#: 255. A normalized map has no other masks, so these 255 thresholds give the
#: same best accuracies at the same best thresholds.
MASK_THRESHOLDS = THRESHOLDS[np.unique(
    (THRESHOLDS * 255).astype(np.int64), return_index=True)[1]]


@dataclass(frozen=True, eq=False)
class LocalizedImage:
    """Localization result of one image.

    Attributes:
        box (np.ndarray): Box at the fixed threshold, ``(4, )``, int64.
        iou (float): Its largest IoU with a true box.
        largest (np.ndarray): Best IoU of the largest contour at every
            threshold of ``MASK_THRESHOLDS``, ``(255, )``, float64.
        all (np.ndarray): The same for all contours.
        degenerate (bool): Whether the map is constant or not finite.
    """

    box: np.ndarray
    iou: float
    largest: np.ndarray
    all: np.ndarray
    degenerate: bool


def localize(cam: ArrayLike,
             gt_boxes: ArrayLike,
             size: tuple[int, int],
             tau: float = .15,
             norm: str = 'minmax',
             box: str = 'largest') -> LocalizedImage:
    """Compare the boxes of a class activation map with the true boxes.

    Args:
        cam (ArrayLike | Tensor): Raw map of the true class, ``(h, w)``, float.
        gt_boxes (ArrayLike): True boxes in pixels of ``size``, ``(m, 4)``.
        size (tuple[int, int]): Height and width of the image, in pixels.
        tau (float): Fixed threshold, in [0, 1]. Defaults to 0.15.
        norm (str): See :func:`score_map`. Defaults to ``'minmax'``.
        box (str): ``'largest'`` or ``'mask'``, see :func:`boxes_from_map`.

    Returns:
        LocalizedImage: Predicted box and IoU.

    Raises:
        ValueError: If the map, a box or an option is invalid.
    """
    if box not in ('largest', 'mask'):
        raise ValueError(f"Expected `box` 'largest' or 'mask', got {box!r}.")
    scores = score_map(cam, size, norm)
    (predicted, ), = boxes_from_map(scores, [tau], box)
    curves = best_iou_curves(scores, gt_boxes, MASK_THRESHOLDS)
    return LocalizedImage(
        predicted, float(box_iou([predicted], gt_boxes).max()),
        curves['largest'], curves['all'], bool(scores.min() == scores.max()))


def localization_metrics(images: Sequence[LocalizedImage],
                         ranks: ArrayLike | None = None,
                         tau: float = .15,
                         topk: Sequence[int] = (1, )) -> dict[str, float]:
    """Metrics of a whole set of images, as fractions.

    Metrics named ``...@<tau>`` use the fixed threshold. All others use the
    threshold that is best **on these images** (``best_tau...``), as MaxBoxAcc
    and MaxBoxAccV2 are defined.

    Args:
        images (Sequence[LocalizedImage]): Results of :func:`localize`.
        ranks (ArrayLike, optional): Rank of the true class among the
            predicted ones, 0 for the first, ``(N, )``, integers. Defaults to
            None: no metrics that depend on the class.
        tau (float): Fixed threshold of the results. Defaults to 0.15.
        topk (Sequence[int]): Numbers k of classes among which the true one
            counts as correct. Defaults to ``(1, )``.

    Returns:
        dict[str, float]: ``gtknown@<tau>`` (localization by the map of the
        true class), ``mean_iou@<tau>``, ``maxboxacc``, ``maxboxaccv2``, its
        parts ``boxacc@30``, ``@50``, ``@70``, with ``best_tau@maxboxacc``,
        ``best_tau@30``, ...; for each k ``top<k>_cls`` (classification),
        ``top<k>_loc@<tau>`` (both correct), ``top<k>_loc@oracle`` and
        ``best_tau@top<k>_loc``; ``n_images``, ``n_degenerate``.

    Raises:
        ValueError: If there are no images, or the number of ranks differs.
    """
    if not len(images):
        raise ValueError('Expected at least one image.')
    iou = np.array([image.iou for image in images])
    largest = np.stack([image.largest for image in images])
    result = {}
    if ranks is not None:
        ranks = to_numpy(ranks)
        if ranks.shape != iou.shape:
            raise ValueError(f'Expected {len(iou)} ranks, one for each image, '
                             f'but got shape {ranks.shape}.')
        for k in topk:
            result.update(_top_k_metrics(k, ranks < k, iou, largest, tau))
    result[f'gtknown@{tau:g}'] = float((iou >= .5).mean())
    result[f'mean_iou@{tau:g}'] = float(iou.mean())
    v1 = max_box_accuracy(largest, (.5, ), MASK_THRESHOLDS)
    v2 = max_box_accuracy(np.stack([image.all for image in images]),
                          thresholds=MASK_THRESHOLDS)
    result.update({'maxboxacc': v1['mean'],
                   'best_tau@maxboxacc': v1['best_threshold@50'],
                   'maxboxaccv2': v2['mean']})
    for level in ('30', '50', '70'):
        result[f'boxacc@{level}'] = v2[f'box_acc@{level}']
        result[f'best_tau@{level}'] = v2[f'best_threshold@{level}']
    return dict(result, n_images=len(images),
                n_degenerate=sum(image.degenerate for image in images))


def _top_k_metrics(k: int, right: np.ndarray, iou: np.ndarray,
                   largest: np.ndarray, tau: float) -> dict[str, float]:
    accuracy = ((largest >= .5) & right[:, None]).mean(0)
    best = int(accuracy.argmax())
    return {f'top{k}_cls': float(right.mean()),
            f'top{k}_loc@{tau:g}': float(((iou >= .5) & right).mean()),
            f'top{k}_loc@oracle': float(accuracy[best]),
            f'best_tau@top{k}_loc': float(MASK_THRESHOLDS[best])}


def best_iou_curve(scores: np.ndarray,
                   gt_boxes: ArrayLike,
                   thresholds: ArrayLike = THRESHOLDS,
                   contours: str = 'largest') -> np.ndarray:
    """Largest IoU of any predicted and any true box, for every threshold.

    Args:
        scores (np.ndarray): Score map, ``(H, W)``, any float dtype, in [0, 1].
        gt_boxes (ArrayLike): True boxes in pixels of the map, ``(m, 4)``,
            any real dtype.
        thresholds (ArrayLike): See :func:`boxes_from_map`, ``(T, )``.
        contours (str): See :func:`boxes_from_map`.

    Returns:
        np.ndarray: ``(T, )``, float64.

    Raises:
        ValueError: If the map, a box or an option is invalid.
    """
    return best_iou_curves(scores, gt_boxes, thresholds,
                           (contours, ))[contours]


def best_iou_curves(
    scores: np.ndarray,
    gt_boxes: ArrayLike,
    thresholds: ArrayLike = THRESHOLDS,
    contours: Sequence[str] = ('largest', 'all'),
) -> dict[str, np.ndarray]:
    """Curves of several choices of boxes, from the same contours.

    Args:
        scores (np.ndarray): See :func:`best_iou_curve`, ``(H, W)``.
        gt_boxes (ArrayLike): See :func:`best_iou_curve`, ``(m, 4)``.
        thresholds (ArrayLike): See :func:`boxes_from_map`, ``(T, )``.
        contours (Sequence[str]): Choices of :func:`boxes_from_map`. Defaults
            to ``('largest', 'all')``.

    Returns:
        dict[str, np.ndarray]: The curve of each choice, ``(T, )``, float64,
        see :func:`best_iou_curve`.

    Raises:
        ValueError: If the map, a box or an option is invalid.
    """
    check_contours(contours)
    found, index = boxes_of_levels(scores, thresholds)
    curves = {}
    for name in contours:
        boxes = [SELECT[name](boxes) for boxes in found]
        starts = np.cumsum([0, *map(len, boxes[:-1])])
        iou = box_iou(np.concatenate(boxes), gt_boxes).max(1)
        curves[name] = np.maximum.reduceat(iou, starts)[index]
    return curves


def max_box_accuracy(
    curves: ArrayLike,
    iou_levels: Sequence[float] = (.3, .5, .7),
    thresholds: ArrayLike | None = None,
) -> dict[str, float]:
    """Share of images with a matching box, at the best threshold.

    The best threshold is chosen for each IoU level. With curves of the
    largest contour and level 0.5 this is MaxBoxAcc (GT-known localization at
    the best threshold); with curves of all contours ``mean`` is MaxBoxAccV2.

    Args:
        curves (ArrayLike): Best IoU by image and threshold, ``(N, T)``, float.
        iou_levels (Sequence[float]): A box matches if its IoU is at least
            this. Defaults to ``(.3, .5, .7)``.
        thresholds (ArrayLike, optional): The thresholds, ``(T, )``. Defaults
            to None: ``THRESHOLDS``, or evenly spaced ones if T differs.

    Returns:
        dict[str, float]: Fractions ``box_acc@30``, ... and ``mean``;
        thresholds ``best_threshold@30``, ..., the first of equally good ones.

    Raises:
        ValueError: If there are no images, or not T thresholds.
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
        raise ValueError(f'Expected {count} thresholds, as many as in the '
                         f'curves, but got {len(thresholds)}.')
    result, accuracies = {}, []
    for level in iou_levels:
        accuracy = (curves >= level).mean(0)
        best = int(accuracy.argmax())
        name = f'@{round(100 * level)}'
        result['box_acc' + name] = float(accuracy[best])
        result['best_threshold' + name] = float(thresholds[best])
        accuracies.append(accuracy[best])
    return dict(result, mean=float(np.mean(accuracies)))
