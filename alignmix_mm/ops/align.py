"""Alignment and interpolation of feature maps, eqs. (10) to (13)."""
import functools
from collections.abc import Callable
from typing import Any, Literal, overload

import torch
from torch import Tensor

from ._annealed import make_schedule
from ._bound import error_bound
from ._dispatch import Problem, choose_backend, fuses
from ._precision import full_precision
from .cost import cross_cost
from .options import check_options
from .transport import SOLVER_COSTS, TransportInfo, assignment


def align(b: Tensor, R: Tensor) -> Tensor:
    r"""Move the features of one map to the positions of the other.

    .. math::
        \tilde{A} = A' R^\top

    eq. (10): column :math:`i` of the result is :math:`\sum_j R_{ij} b_j`. For
    eq. (11) pass the other map and :math:`R^\top`.

    Args:
        b (Tensor): Features :math:`A'`, ``(B, c, s)``, floating point.
        R (Tensor): Assignment, ``(B, r, s)``, floating point.

    Returns:
        Tensor: Aligned features, ``(B, c, r)``, in the dtype of ``b``.

    Raises:
        ValueError: If the shapes do not match.
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


@overload
def align_and_mix(A: Tensor, A2: Tensor, lam: float | Tensor,
                  eps: float = ..., perm: Tensor | None = ...,
                  solver: str = ..., swap: bool = ..., backend: str = ...,
                  return_info: Literal[False] = ...,
                  **options: Any) -> Tensor: ...


@overload
def align_and_mix(A: Tensor, A2: Tensor, lam: float | Tensor,
                  eps: float = ..., perm: Tensor | None = ...,
                  solver: str = ..., swap: bool = ..., backend: str = ..., *,
                  return_info: Literal[True],
                  **options: Any) -> tuple[Tensor, TransportInfo]: ...


def align_and_mix(A: Tensor,
                  A2: Tensor,
                  lam: float | Tensor,
                  eps: float = 0.1,
                  perm: Tensor | None = None,
                  solver: str = 'annealed',
                  swap: bool = False,
                  backend: str = 'auto',
                  return_info: bool = False,
                  **options: Any) -> Tensor | tuple[Tensor, TransportInfo]:
    r"""Align the partner to the anchor and interpolate, eqs. (12) and (13).

    .. math::
        \lambda A + (1 - \lambda) A' R^\top

    Gradients flow through both maps, not through the plan.

    Args:
        A (Tensor): Anchor, ``(B, c, h, w)``, any floating dtype; it keeps
            its geometry.
        A2 (Tensor): Partner, ``(B', c, h', w')``, any floating dtype, which
            gives its features; ``B' = B`` without ``perm``.
        lam (float | Tensor): Weight :math:`\lambda` of the anchor: a number,
            or a tensor ``()`` or ``(B, )``.
        eps (float): Entropic regularization. Defaults to 0.1.
        perm (Tensor, optional): ``(B, )``, int64; the partner of sample ``i``
            is ``A2[perm[i]]``. The fused kernels read it without a gathered
            copy. Defaults to None, which is ``A2[i]``.
        solver (str): ``'annealed'`` or ``'log'``, see :func:`assignment`.
            Defaults to ``'annealed'``.
        swap (bool): Whether the two maps swap roles, eq. (13):
            ``A2[perm[i]]`` is then the anchor. Defaults to False.
        backend (str): See :func:`assignment`. For up to 64 positions,
            ``'triton'`` runs the whole mix in fused kernels. Defaults to
            ``'auto'``.
        return_info (bool): Whether to return a :class:`TransportInfo` too.
            Defaults to False.
        **options: ``num_iters``, ``tol``, ``end`` of :func:`assignment`. With
            ``end='col'`` and ``swap``, the plan is the transpose of that
            without ``swap``, as in the authors' code.

    Returns:
        Tensor | tuple[Tensor, TransportInfo]: Mixed map, with the shape and
        dtype of the anchor.

    Raises:
        ValueError: If the shapes do not match, an option is invalid, or the
            backend asked for does not support the problem.
        TypeError: If the maps are not floating point tensors.
    """
    check_options(solver, eps, backend=backend, **options)
    _check_pairs(A, A2, perm)
    x, y = A.flatten(2), A2.flatten(2)
    problem = Problem(solver, A.device, x.shape[2], y.shape[2], A.dtype)
    chosen, reason = choose_backend(backend, problem)
    lam = _weights(lam, x)
    if chosen == 'triton' and fuses(x, y, lam):
        mixed, info = _mix_fused(x, y, lam, eps, perm, swap, reason, **options)
    else:
        mixed, info = _mix(x, y, lam, eps, perm, solver, swap,
                           backend=backend, **options)
    mixed = mixed.view(len(A), *(A2 if swap else A).shape[1:])
    return (mixed, info) if return_info else mixed


def _mix(x: Tensor, y: Tensor, lam: Tensor, eps: float, perm: Tensor | None,
         solver: str, swap: bool, **options) -> tuple[Tensor, TransportInfo]:
    """Compute cost, plan and mix one after the other."""
    if perm is not None:
        y = y[perm]
    a, b = (y, x) if swap else (x, y)
    dtype = torch.promote_types(a.dtype, torch.float32)
    b = b.to(dtype)
    lam = lam.view(-1, 1, 1)
    with full_precision(a.device):
        R, info = assign_positions(
            a.detach(), b.detach(), SOLVER_COSTS[solver], swap, eps=eps,
            solver=solver, **options)
        # One product does (10) and (12): the weight goes into the plan,
        # which is smaller than the map.
        weighted = ((1 - lam) * R).transpose(1, 2)
        mixed = (lam * a.to(dtype)).baddbmm_(b, weighted)
    return mixed.to(a.dtype), info


def assign_positions(anchor: Tensor, partner: Tensor,
                     cost: Callable[[Tensor, Tensor], Tensor], swap: bool,
                     **options: Any) -> tuple[Tensor, TransportInfo]:
    r"""The assignment of the partner's positions to those of the anchor.

    Plans that have converged do not depend on the order of the two maps. For
    those that have not, ``end='row'`` makes the rows exact, which belong to
    the anchor. ``end='col'`` is the authors' code: it solves one problem, with
    :math:`A` in rows and :math:`A'` in columns, and uses its transpose when
    they swap roles.

    Args:
        anchor (Tensor): ``(B, c, r)``, floating point.
        partner (Tensor): ``(B, c, s)``, floating point.
        cost (Callable): Makes costs ``(B, r, s)`` of two maps.
        swap (bool): Whether the anchor is :math:`A'`.
        **options: See :func:`assignment`.

    Returns:
        tuple[Tensor, TransportInfo]: ``(B, r, s)``, float32, and what is
        known of it.
    """
    if not swap or options.get('end') != 'col':
        return assignment(cost(anchor, partner), return_info=True, **options)
    R, info = assignment(cost(partner, anchor), return_info=True, **options)
    scale = anchor.shape[2] / partner.shape[2]  # R is r times the plan
    return scale * R.transpose(1, 2), info._replace(
        row_sums=scale * info.col_sums, col_sums=scale * info.row_sums)


def _mix_fused(x: Tensor, y: Tensor, lam: Tensor, eps: float,
               perm: Tensor | None, swap: bool, reason: str,
               num_iters: int | None = None,
               **_) -> tuple[Tensor, TransportInfo]:
    """Run everything in Triton kernels."""
    from ._triton import fused_mix  # Triton is optional
    if perm is None:
        perm = torch.arange(len(x), device=x.device)
    perm = perm.to(x.device).contiguous()
    mixed, plan, sums = fused_mix(
        x, y, lam.expand(len(x)).contiguous(), perm, swap, eps, num_iters)
    sweeps = make_schedule(x.shape[2], y.shape[2], num_iters).total
    bound = functools.partial(_fused_bound, x, y, perm, swap, plan, eps)
    info = TransportInfo(*sums.unbind(1), sweeps, 'triton', reason, bound)
    return mixed, info


def _fused_bound(x: Tensor, y: Tensor, perm: Tensor, swap: bool, plan: Tensor,
                 eps: float) -> Tensor:
    a, b = (y[perm], x) if swap else (x, y[perm])
    return error_bound(cross_cost(a.detach(), b.detach()), plan, eps)


def _check_pairs(A: Tensor, A2: Tensor, perm: Tensor | None) -> None:
    if A.ndim != 4 or A2.ndim != 4 or A.shape[1] != A2.shape[1]:
        raise ValueError('Expected two feature maps (B, c, h, w) with the '
                         f'same number of channels, but got {tuple(A.shape)} '
                         f'and {tuple(A2.shape)}.')
    if not (A.is_floating_point() and A2.is_floating_point()):
        raise TypeError('Expected floating point feature maps, but got '
                        f'{A.dtype} and {A2.dtype}.')
    if perm is None and len(A) != len(A2):
        raise ValueError(f'Expected {len(A)} partners, one for each sample, '
                         f'but got {len(A2)}. Pass `perm` to choose partners.')
    if perm is not None and (perm.dtype != torch.int64
                             or perm.shape != A.shape[:1]):
        raise ValueError(f'Expected `perm` of shape ({len(A)}, ) and dtype '
                         f'int64, but got {tuple(perm.shape)} and '
                         f'{perm.dtype}.')


def _weights(lam: float | Tensor, x: Tensor) -> Tensor:
    """Weights of the anchors, ``(1, )`` or ``(B, )``, at least float32."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    if not isinstance(lam, Tensor):  # full() does not wait for the device
        return torch.full((len(x), ), lam, dtype=dtype, device=x.device)
    if lam.numel() not in (1, len(x)):
        raise ValueError('Expected `lam` to be a number or a tensor of shape '
                         f'() or ({len(x)}, ), but got {tuple(lam.shape)}.')
    return lam.to(x.device, dtype).reshape(-1)
