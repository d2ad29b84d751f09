"""Alignment and interpolation of feature maps, eqs. (10) to (13)."""
import torch
from torch import Tensor

from ._precision import full_precision
from .cost import pairwise_cost
from .transport import SOLVER_COSTS, assignment


def align(b: Tensor, R: Tensor) -> Tensor:
    r"""Move the features of one map to the positions of the other.

    .. math::
        \tilde{A} = A' R^\top

    eq. (10): column :math:`i` of the result is :math:`\sum_j R_{ij} b_j`. For
    eq. (11) pass the other map and :math:`R^\top`.

    Args:
        b (Tensor): Features :math:`A'`, ``(B, c, s)``.
        R (Tensor): Assignment, ``(B, r, s)``.

    Returns:
        Tensor: Aligned features, ``(B, c, r)``, in the dtype of ``b``.

    Raises:
        ValueError: If the shapes do not fit.
    """
    if b.ndim != 3 or R.ndim != 3 or (len(b), b.shape[2]) != (len(R),
                                                              R.shape[2]):
        raise ValueError('Expected `b` of shape (B, c, s) and `R` of shape '
                         f'(B, r, s), but got {tuple(b.shape)} and '
                         f'{tuple(R.shape)}.')
    dtype = torch.promote_types(b.dtype, R.dtype)
    with full_precision(b.device):
        aligned = torch.bmm(b.to(dtype), R.to(dtype).transpose(1, 2))
    return aligned.to(b.dtype)


def align_and_mix(A: Tensor,
                  A2: Tensor,
                  lam: float | Tensor,
                  eps: float = 0.1,
                  perm: Tensor | None = None,
                  solver: str = 'annealed',
                  **transport) -> Tensor:
    r"""Align the partner to the anchor and interpolate, eq. (12).

    .. math::
        \lambda A + (1 - \lambda) A' R^\top

    Gradients flow through both maps, not through the plan. For eq. (13),
    where :math:`A'` is the anchor, exchange the two maps.

    Args:
        A (Tensor): Anchor, ``(B, c, h, w)``: it keeps its geometry.
        A2 (Tensor): Partner, ``(B, c, h', w')``, which gives its features.
        lam (float | Tensor): Weight :math:`\lambda` of the anchor, a number
            or a tensor ``()`` or ``(B, )``.
        eps (float): Entropic regularization. Defaults to 0.1.
        perm (Tensor, optional): ``(B, )``, int64; the partner of sample ``i``
            is ``A2[perm[i]]``. Defaults to None, which is ``A2[i]``.
        solver (str): ``'annealed'`` or ``'log'``, see :func:`assignment`.
            Defaults to ``'annealed'``.
        **transport: Further options of :func:`assignment`.

    Returns:
        Tensor: Mixed map, ``(B, c, h, w)``, in the dtype of ``A``.

    Raises:
        ValueError: If the shapes do not fit.
    """
    if A.ndim != 4 or A2.ndim != 4 or A.shape[1] != A2.shape[1]:
        raise ValueError('Expected two feature maps (B, c, h, w) with as many '
                         f'channels, but got {tuple(A.shape)} and '
                         f'{tuple(A2.shape)}.')
    if perm is not None:
        A2 = A2[perm]
    dtype = torch.promote_types(A.dtype, torch.float32)
    a, b = A.flatten(2).to(dtype), A2.flatten(2).to(dtype)
    if not isinstance(lam, Tensor):  # full() does not wait for the device
        lam = torch.full((), lam, device=A.device)
    lam = lam.to(dtype).view(-1, 1, 1)
    cost = SOLVER_COSTS.get(solver, pairwise_cost)
    with full_precision(A.device):
        R = assignment(
            cost(a.detach(), b.detach()), eps, solver, **transport)
        # One product does (10) and (12): the weight goes into the plan,
        # which is smaller than the map.
        weighted = ((1 - lam) * R).transpose(1, 2)
        mixed = (lam * a).baddbmm_(b, weighted)
    return mixed.view(A.shape).to(A.dtype)
