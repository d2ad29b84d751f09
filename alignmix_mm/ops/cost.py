"""Pairwise cost between the positions of two feature maps, eq. (7)."""
import torch
from torch import Tensor

from ._precision import full_precision

FEATURE_LIMIT = 1e17  # sums of ten thousand squares of twice it stay finite


def pairwise_cost(a: Tensor, b: Tensor) -> Tensor:
    r"""Squared Euclidean distance between all positions of two maps.

    .. math::
        m_{ij} = \|a_i - b_j\|^2

    is eq. (7) of AlignMix. It is computed as a Gram matrix, so no tensor of
    ``B * r * s * c`` elements exists. Both maps are first moved by the mean
    of ``b``: distances do not change, but a common offset (any ReLU network
    has one) no longer costs digits. Features beyond ``1e17``, whose squared
    distances float32 does not hold, are taken as ``1e17``.

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
    with full_precision(a.device):
        a, b = _bounded(a), _bounded(b)
        center = b.mean(dim=2, keepdim=True)
        a, b = a - center, b - center
        squares = (a.square().sum(dim=1).unsqueeze(2) +
                   b.square().sum(dim=1).unsqueeze(1))
        cost = torch.baddbmm(squares, a.transpose(1, 2), b, alpha=-2)
        return cost.clamp_(min=0)


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
    with full_precision(a.device):
        a, b = _bounded(a), _bounded(b)
        center = b.mean(dim=2, keepdim=True)
        # a too: in products with a common offset, sums would lose digits
        a, b = a.sub_(center), b.sub_(center)
        return torch.bmm(a.transpose(1, 2), b).mul_(-2)


def _bounded(x: Tensor) -> Tensor:
    """A float32 copy whose squares do not overflow. NaN stays NaN."""
    return x.float().clamp(-FEATURE_LIMIT, FEATURE_LIMIT)


def _check_maps(a: Tensor, b: Tensor) -> None:
    if a.ndim != 3 or b.ndim != 3 or a.shape[:2] != b.shape[:2]:
        raise ValueError(
            'Expected `a` of shape (B, c, r) and `b` of shape (B, c, s), but '
            f'got {tuple(a.shape)} and {tuple(b.shape)}. Flatten the spatial '
            'dimensions of feature maps first: `x.flatten(2)`.')
