"""Pairwise cost between the positions of two feature maps, eq. (7)."""
from collections.abc import Callable

import torch
from torch import Tensor

from ._precision import full_precision

FEATURE_LIMIT = 1e17  # sums of 8000 squares of twice this stay finite
# On a CPU, new memory for a copy of all maps takes longer than the product.
# This many numbers at a time fit into the cache, and its memory is reused.
CPU_NUMBERS = 2**20


def pairwise_cost(a: Tensor, b: Tensor) -> Tensor:
    r"""Squared Euclidean distance between all positions of two maps.

    .. math::
        m_{ij} = \|a_i - b_j\|^2

    is eq. (7) of AlignMix. It is computed from a Gram matrix, so no tensor
    of ``B * r * s * c`` elements exists. The mean of ``b`` is first
    subtracted from both maps: distances do not change, but a common offset
    (any ReLU network has one) no longer costs digits. Features are clamped to
    ``+-1e17``, because float32 cannot hold larger squared distances.

    Args:
        a (Tensor): Features of the first maps, ``(B, c, r)``, any floating
            dtype.
        b (Tensor): Features of the second maps, ``(B, c, s)``, any floating
            dtype.

    Returns:
        Tensor: Non-negative costs, ``(B, r, s)``; float32, also under
        autocast.

    Raises:
        ValueError: If the shapes do not match.

    Example:
        >>> a = torch.tensor([[[0., 1.]]])
        >>> pairwise_cost(a, a)
        tensor([[[0., 1.],
                 [1., 0.]]])
    """
    _check_maps(a, b)
    return _in_parts(_squared_distance, a, b)


def cross_cost(a: Tensor, b: Tensor) -> Tensor:
    r"""Squared distance without terms of only the row or only the column.

    .. math::
        -2\, (a_i - \bar b)^\top (b_j - \bar b)

    where :math:`\bar b` is the mean over positions. The terms left out do
    not change a converged plan; without them there is half the memory traffic
    and no cancellation.

    Args:
        a (Tensor): Features of the first maps, ``(B, c, r)``, any floating
            dtype.
        b (Tensor): Features of the second maps, ``(B, c, s)``, any floating
            dtype.

    Returns:
        Tensor: Costs of either sign, ``(B, r, s)``, float32.

    Raises:
        ValueError: If the shapes do not match.
    """
    _check_maps(a, b)
    return _in_parts(_cross_product, a, b)


def _squared_distance(a: Tensor, b: Tensor) -> Tensor:
    a, b = _centered(a, b)
    squares = (a.square().sum(dim=1).unsqueeze(2) +
               b.square().sum(dim=1).unsqueeze(1))
    cost = torch.baddbmm(squares, a.transpose(1, 2), b, alpha=-2)
    return cost.clamp_(min=0)


def _cross_product(a: Tensor, b: Tensor) -> Tensor:
    a, b = _centered(a, b)
    return torch.bmm(a.transpose(1, 2), b).mul_(-2)


def _in_parts(cost: Callable[[Tensor, Tensor], Tensor], a: Tensor,
              b: Tensor) -> Tensor:
    """Compute ``cost(a, b)``, on a CPU for a few pairs at a time."""
    with full_precision(a.device):
        pairs = CPU_NUMBERS // max(1, a[:1].numel(), b[:1].numel())
        if a.device.type != 'cpu' or pairs >= len(a):
            return cost(a, b)
        pairs = max(1, pairs)
        return torch.cat(list(map(cost, a.split(pairs), b.split(pairs))))


def _centered(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Subtract the mean of ``b`` from both maps.

    ``a`` is centred too, because a common offset costs products digits.
    """
    a, b = _bounded(a), _bounded(b)
    center = b.mean(dim=2, keepdim=True)
    return a.sub_(center), b.sub_(center)


def _bounded(x: Tensor) -> Tensor:
    """A float32 copy whose squares do not overflow. NaN stays NaN."""
    return x.float().clamp(-FEATURE_LIMIT, FEATURE_LIMIT)


def _check_maps(a: Tensor, b: Tensor) -> None:
    if a.ndim != 3 or b.ndim != 3 or a.shape[:2] != b.shape[:2]:
        raise ValueError(
            'Expected `a` of shape (B, c, r) and `b` of shape (B, c, s), but '
            f'got {tuple(a.shape)} and {tuple(b.shape)}. Flatten the spatial '
            'dimensions of feature maps first: `x.flatten(2)`.')
