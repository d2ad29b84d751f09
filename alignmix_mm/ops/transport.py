"""Entropic optimal transport for batches of small problems, eq. (9)."""
import functools
from collections.abc import Callable
from typing import Literal, NamedTuple, overload

import torch
from torch import Tensor

from ._annealed import annealed_sinkhorn, make_schedule
from ._bound import error_bound
from ._dispatch import Problem, choose_backend
from ._precision import full_precision
from ._reference import log_sinkhorn, scale_cost
from .cost import cross_cost, pairwise_cost
from .options import check_options


class TransportInfo(NamedTuple):
    """How an assignment was computed.

    Attributes:
        row_sums (Tensor): Row sums of the last iterate, ``(B, r)``, float32;
            the annealed solver takes them before it projects the plan onto
            the marginals.
        col_sums (Tensor): Column sums of the last iterate, ``(B, s)``,
            float32.
        sweeps (int | Tensor): Number of sweeps (updates of rows and columns)
            that ran; a tensor ``()``, int64, for ``solver='log'``.
        backend (str): The backend that ran.
        reason (str): Why this backend was chosen.
        error_bound (Callable, optional): Solves the problem again in float64
            and returns a bound on the mean L1 distance between the rows of
            the plan and of the exact one, ``(B, )``, float64, from 0 to 2:
            small violations alone do not prove that a plan is right. It
            takes several times as long as the plan.
    """

    row_sums: Tensor
    col_sums: Tensor
    sweeps: int | Tensor
    backend: str
    reason: str
    error_bound: Callable[[], Tensor] | None = None

    @property
    def row_violation(self) -> Tensor:
        """Mean over rows of ``|row sum - 1|``, ``(B, )``."""
        return (self.row_sums - 1).abs().mean(dim=1)

    @property
    def col_violation(self) -> Tensor:
        """Mean over columns of ``|column sum * s / r - 1|``, ``(B, )``."""
        ratio = self.col_sums.shape[1] / self.row_sums.shape[1]
        return (self.col_sums * ratio - 1).abs().mean(dim=1)


@overload
def assignment(cost: Tensor, eps: float = ..., solver: str = ...,
               num_iters: int | None = ..., tol: float | None = ...,
               end: str = ..., backend: str = ...,
               return_info: Literal[False] = ...) -> Tensor: ...


@overload
def assignment(cost: Tensor, eps: float = ..., solver: str = ...,
               num_iters: int | None = ..., tol: float | None = ...,
               end: str = ..., backend: str = ..., *,
               return_info: Literal[True]
               ) -> tuple[Tensor, TransportInfo]: ...


@torch.no_grad()
def assignment(cost: Tensor,
               eps: float = 0.1,
               solver: str = 'annealed',
               num_iters: int | None = None,
               tol: float | None = None,
               end: str = 'row',
               backend: str = 'auto',
               return_info: bool = False
               ) -> Tensor | tuple[Tensor, TransportInfo]:
    r"""Assignment :math:`R = r P^*` of entropic optimal transport.

    .. math::
        P^* = \arg\min_P \langle P, M \rangle - \epsilon H(P)

    over plans with uniform marginals, eqs. (8) and (9) of AlignMix;
    :math:`H` is the entropy. No gradient flows through it (Algorithm 1, line
    23). It runs in float32, also under autocast. It does not wait for the
    device, except when the kernels are checked before their first use on a
    device, for each number of positions and dtype.

    Args:
        cost (Tensor): Cost matrices :math:`M`, ``(B, r, s)``, any floating
            dtype.
        eps (float): Entropic regularization :math:`\epsilon`. Defaults to
            0.1.
        solver (str): ``'annealed'``, which converges on real features, or
            ``'log'``, the paper's plain iteration, which has not converged
            after its 100 iterations. Defaults to ``'annealed'``.
        num_iters (int, optional): Budget of the solver: sweeps of the last
            stage (annealed) or iterations (log). Defaults to None: 40 to 80,
            growing with ``r``, or 140 if ``r != s`` (annealed), and 100
            (log).
        tol (float, optional): Only for ``solver='log'``: stop once the L1
            change of the row potential (unit of ``cost``), averaged over the
            pairs of the batch whose costs are finite, is below it; the
            authors' code uses 0.1. Defaults to None.
        end (str): Only for ``solver='log'``: ``'row'`` or ``'col'``, the
            marginal that is exact; the authors' code uses ``'col'``.
            Defaults to ``'row'``.
        backend (str): ``'auto'``, ``'torch'`` or ``'triton'``, the fused
            kernels for CUDA devices. ``'auto'`` uses the kernels if they
            support the problem. Defaults to ``'auto'``.
        return_info (bool): Whether to return a :class:`TransportInfo` too.
            Defaults to False.

    Returns:
        Tensor | tuple[Tensor, TransportInfo]: ``(B, r, s)``, float32. With
        the annealed solver, rows sum to 1 and columns to ``r / s``, up to
        rounding; with the log solver only one of the two holds (see
        ``end``). Costs may be infinite, or so large that they forbid a pair
        of positions. Costs are clamped to ``+-1e32 eps``. If float32 cannot
        resolve the others, ``error_bound()`` of the info shows it. A NaN in
        a cost matrix makes this plan NaN, and no other.

    Raises:
        ValueError: If an argument is out of range, or the backend asked for
            does not support the problem.
        TypeError: If ``cost`` is not a floating point tensor.

    Example:
        >>> cost = torch.tensor([[[0., 1.], [1., 0.]]])
        >>> assignment(cost, eps=1.0)
        tensor([[[0.7311, 0.2689],
                 [0.2689, 0.7311]]])
    """
    _check_cost(cost)
    check_options(solver, eps, num_iters, tol, end, backend)
    backend, reason = choose_backend(
        backend, Problem(solver, cost.device, *cost.shape[1:], cost.dtype))
    solve = _SOLVERS[solver, backend]
    with full_precision(cost.device):
        plan, rows, cols, sweeps = solve(cost, eps, num_iters, tol, end)
    bound = functools.partial(error_bound, cost, plan, eps)
    info = TransportInfo(rows, cols, sweeps, backend, reason, bound)
    return (plan, info) if return_info else plan


def _run_annealed(cost, eps, num_iters, tol, end):
    return annealed_sinkhorn(scale_cost(cost, eps), num_iters)


def _run_kernel(cost, eps, num_iters, tol, end):
    from ._triton import annealed_plan  # Triton is optional
    plan, sums = annealed_plan(cost, eps, num_iters)
    sweeps = make_schedule(*cost.shape[1:], num_iters).total
    return plan, *sums.unbind(1), sweeps


def _run_log(cost, eps, num_iters, tol, end):
    return log_sinkhorn(cost.float(), eps, num_iters or 100, tol, end)


# Each returns the plan, row and column sums of the iterate, and its sweeps.
_SOLVERS = {
    ('annealed', 'torch'): _run_annealed,
    ('annealed', 'triton'): _run_kernel,
    ('log', 'torch'): _run_log,
}

# The cheapest cost of feature maps that has the same plan. Terms of only the
# row or column do not change a converged plan, but an unconverged one.
SOLVER_COSTS = {'annealed': cross_cost, 'log': pairwise_cost}


def _check_cost(cost: Tensor) -> None:
    if not isinstance(cost, Tensor) or not cost.is_floating_point():
        got = cost.dtype if isinstance(cost, Tensor) else type(cost).__name__
        raise TypeError('Expected `cost` to be a floating point tensor, but '
                        f'got {got}.')
    if cost.ndim != 3 or 0 in cost.shape[1:]:
        raise ValueError('Expected `cost` of shape (B, r, s) with r, s >= 1, '
                         f'but got {tuple(cost.shape)}.')
