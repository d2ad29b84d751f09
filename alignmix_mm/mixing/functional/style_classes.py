"""How much the styles of classes differ, and how much pairs are restyled."""
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from .channel_moments import moments


def style_statistics(levels: Sequence[Tensor]) -> Tensor:
    """Means and standard deviations of the channels at several depths.

    Args:
        levels (Sequence[Tensor]): Features, ``(B, C, H, W)`` each, floating
            point; those of ``StyleEncoder.levels`` have 64, 128, 256 and 512
            channels.

    Returns:
        Tensor: Means, then deviations, level by level, ``(B, F)``. F is twice
        the number of channels, 1920 for ``StyleEncoder``. The dtype is that
        of the features, or float32 for half precision.

    Raises:
        ValueError: If a level has only one position.
    """
    return torch.cat([moment.flatten(1) for features in levels
                      for moment in moments(features)], 1)


def style_distances(statistics: Tensor, labels: Tensor,
                    num_classes: int) -> Tensor:
    """Mean squared difference of the mean statistics of every two classes.

    Args:
        statistics (Tensor): ``(N, F)``, floating point, see
            ``style_statistics``.
        labels (Tensor): Classes, ``(N, )``, int64.
        num_classes (int): Number of classes, K.

    Returns:
        Tensor: ``(K, K)``, symmetric with a diagonal of zeros, in the dtype
        of the statistics.

    Raises:
        ValueError: If a class has no sample, or a label is not a class.
    """
    means = class_means([(statistics, labels)], num_classes)
    # not by matrix products, whose rounding leaves no zeros on the diagonal
    distances = torch.cdist(
        means, means, compute_mode='donot_use_mm_for_euclid_dist')
    return (distances.square() / means.shape[1]).to(statistics.dtype)


def class_means(batches: Iterable[tuple[Tensor, Tensor]],
                num_classes: int) -> Tensor:
    """Mean vector of each class, computed batch by batch.

    Args:
        batches (Iterable[tuple[Tensor, Tensor]]): Vectors, ``(N, F)``,
            floating point, and their classes, ``(N, )``, int64.
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
                f'Expected {len(vectors)} labels below {num_classes}, but got '
                f'shape {tuple(labels.shape)} and labels up to '
                f'{len(count) - 1}.')
        total = vectors.new_zeros(num_classes, vectors.shape[1],
                                  dtype=torch.float64)
        sums = sums + total.index_add(0, labels, vectors.double())
        counts = counts + count
    empty = torch.as_tensor(counts == 0).nonzero().flatten().tolist()
    if empty:
        raise ValueError(f'Expected samples of all {num_classes} classes, '
                         f'but got none of {empty[:10]}.')
    return sums / counts[:, None]


def style_gamma(distances: Tensor, labels: Tensor, partner_labels: Tensor,
                delta: float = 3., same_class: float = 2.) -> Tensor:
    r"""Weight of pairs before restyling, from the distance of their classes.

    .. math::
        \gamma = \tanh((D_{y_1 y_2} + d \cdot 1[y_1 = y_2]) / \delta)

    with the distance d of a class from itself, ``same_class``.

    Args:
        distances (Tensor): D, ``(K, K)``, floating point, see
            ``style_distances``.
        labels (Tensor): Own classes, ``(B, )``, int64.
        partner_labels (Tensor): Classes of the partners, likewise.
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
