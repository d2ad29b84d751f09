"""How much the styles of classes differ, and what follows for a pair."""
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from .channel_moments import moments


def style_statistics(levels: Sequence[Tensor]) -> Tensor:
    """Means and deviations of the channels at several depths.

    Args:
        levels (Sequence[Tensor]): Features, ``(B, C, H, W)`` each; those of
            ``StyleEncoder.levels`` have 64, 128, 256 and 512 channels.

    Returns:
        Tensor: Means, then deviations, level after level, ``(B, F)`` with
        twice as many numbers as channels: 1920. Of the dtype of the
        features, float32 of half precision.

    Raises:
        ValueError: If a level has a single position.
    """
    return torch.cat([moment.flatten(1) for features in levels
                      for moment in moments(features)], 1)


def style_distances(statistics: Tensor, labels: Tensor,
                    num_classes: int) -> Tensor:
    """Mean squared difference of the mean statistics of any two classes.

    Args:
        statistics (Tensor): ``(N, F)``, see ``style_statistics``.
        labels (Tensor): Classes, ``(N, )``, int64.
        num_classes (int): Number of classes, K.

    Returns:
        Tensor: ``(K, K)``, symmetric with a diagonal of zeros, in the dtype
        of the statistics.

    Raises:
        ValueError: If a class has no sample, or a label is not a class.
    """
    means = class_means([(statistics, labels)], num_classes)
    # not by products, which leave no zeros on the diagonal
    distances = torch.cdist(
        means, means, compute_mode='donot_use_mm_for_euclid_dist')
    return (distances.square() / means.shape[1]).to(statistics.dtype)


def class_means(batches: Iterable[tuple[Tensor, Tensor]],
                num_classes: int) -> Tensor:
    """Mean of vectors over each class, batch after batch.

    Args:
        batches (Iterable[tuple[Tensor, Tensor]]): Vectors, ``(N, F)``, and
            their classes, ``(N, )``, int64.
        num_classes (int): Number of classes, K.

    Returns:
        Tensor: ``(K, F)``, float64.

    Raises:
        ValueError: If a class has no sample, or a label is not a class.
    """
    sums, counts = 0., 0
    for vectors, labels in batches:
        count = torch.bincount(labels, minlength=num_classes)
        if labels.shape != vectors.shape[:1] or len(count) > num_classes:
            raise ValueError(
                f'Expected {len(vectors)} labels below {num_classes}, but '
                f'got shape {tuple(labels.shape)}, up to {len(count) - 1}.')
        total = vectors.new_zeros(num_classes, vectors.shape[1],
                                  dtype=torch.float64)
        sums = sums + total.index_add(0, labels, vectors.double())
        counts = counts + count
    empty = torch.as_tensor(counts == 0).nonzero().flatten().tolist()
    if empty:
        raise ValueError(f'Expected samples of all {num_classes} classes, '
                         f'but there are none of {empty[:10]}.')
    return sums / counts[:, None]


def style_gamma(distances: Tensor, labels: Tensor, partner_labels: Tensor,
                delta: float = 3., same_class: float = 2.) -> Tensor:
    r"""How little pairs are restyled, from the distance of their classes.

    .. math::
        \gamma = \tanh((D_{y_1 y_2} + 2 \cdot 1[y_1 = y_2]) / \delta)

    Args:
        distances (Tensor): D, ``(K, K)``, see ``style_distances``.
        labels (Tensor): Own classes, ``(B, )``, int64.
        partner_labels (Tensor): Those of the partners, likewise.
        delta (float): Scale of the distances: 3 for CIFAR-100, 1 for
            CIFAR-10. Defaults to 3.
        same_class (float): Distance of a class from itself. Defaults to 2.

    Returns:
        Tensor: ``(B, )``, in the dtype of the distances.

    Raises:
        ValueError: If the distances are not ``(K, K)``.
    """
    if distances.ndim != 2 or distances.shape[0] != distances.shape[1]:
        raise ValueError('Expected `distances` (K, K), but got '
                         f'{tuple(distances.shape)}.')
    same = (labels == partner_labels).to(distances.dtype)
    pairs = distances[labels, partner_labels] + same_class * same
    return torch.tanh(pairs / delta)
