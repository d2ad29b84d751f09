"""Pairwise cost between the positions of two feature maps, eq. (7)."""
from collections.abc import Callable

import torch
from torch import Tensor

from ._precision import full_precision

FEATURE_LIMIT = 1e17  # sums of ten thousand squares of twice it stay finite
# On a CPU, memory that is fresh for a copy of all maps costs more than the
# product: so many numbers at a time fit into the cache and reuse it.
CPU_NUMBERS = 2**20


def pairwise_cost(a: Tensor, b: Tensor) -> Tensor:
    r"""Squared Euclidean distance between all positions of two maps.

    .. math::
        m_{ij} = \|a_i - b_j\|^2

    is eq. (7) of AlignMix. It is computed as a Gram matrix, so no tensor of
    ``B * r * s * c`` elements exists. Both maps are first moved by the mean
    of ``b``: distances do not change, but a common offset (any ReLU network
    has one) no longer costs digits. Features beyond ``1e17``, whose squared
    distances float32 does not hold, are clamped to it.

    Args:
        a (Tensor): Features of the first maps, ``(B, c, r)``, any floating
            dtype.
        b (Tensor): Features of the second maps, ``(B, c, s)``.

    Returns:
        Tensor: Non-negative costs, ``(B, r, s)``, float32 also under
        autocast.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> a = torch.tensor([[[0., 1.]]])
        >>> pairwise_cost(a, a)
        tensor([[[0., 1.],
                 [1., 0.]]])
    """
    _check_maps(a, b)
    return _in_parts(_squared_distance, a, b)


def cross_cost(a: Tensor, b: Tensor) -> Tensor:
    r"""Squared distance up to terms of the row and of the column alone.

    .. math::
        -2\, (a_i - \bar b)^\top (b_j - \bar b)

    Entropic transport does not see such terms once it has converged, and
    without them there is half the memory traffic and no cancellation.

    Args:
        a (Tensor): Features of the first maps, ``(B, c, r)``, any floating
            dtype.
        b (Tensor): Features of the second maps, ``(B, c, s)``.

    Returns:
        Tensor: Costs of either sign, ``(B, r, s)``, float32.

    Raises:
        ValueError: If the shapes do not fit.
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
    """``cost(a, b)``, on a CPU a few pairs at a time."""
    with full_precision(a.device):
        pairs = CPU_NUMBERS // max(1, a[:1].numel(), b[:1].numel())
        if a.device.type != 'cpu' or pairs >= len(a):
            return cost(a, b)
        pairs = max(1, pairs)
        return torch.cat(list(map(cost, a.split(pairs), b.split(pairs))))


def _centered(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both without the mean of ``b``.

    ``a`` too: in products with a common offset, sums would lose digits.
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
