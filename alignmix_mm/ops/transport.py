"""Entropic optimal transport for batches of small problems, eq. (9)."""
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ._annealed import annealed_sinkhorn
from ._precision import full_precision
from ._reference import log_sinkhorn
from .cost import cross_cost, pairwise_cost


class TransportInfo(NamedTuple):
    """How an assignment came about.

    Attributes:
        row_violation (Tensor): Mean over rows of ``|row sum - 1|`` of the
            iterate that the solver reached, ``(B, )``. The annealed solver
            measures it before it rounds the plan onto the marginals.
        col_violation (Tensor): The same for ``|column sum * s / r - 1|``.
        sweeps (Tensor): Row and column updates that ran, ``()``, int64.
        backend (str): The backend that ran.
        reason (str): Why that one.
    """

    row_violation: Tensor
    col_violation: Tensor
    sweeps: Tensor
    backend: str
    reason: str


@torch.no_grad()
def assignment(cost: Tensor,
               eps: float = 0.1,
               solver: str = 'annealed',
               num_iters: int | None = None,
               tol: float | None = None,
               end: str = 'row',
               backend: str = 'auto',
               return_info: bool = False) -> Tensor | tuple:
    r"""Assignment :math:`R = r P^*` of entropic optimal transport.

    .. math::
        P^* = \arg\min_P \langle P, M \rangle - \epsilon H(P)

    over plans with uniform marginals, eqs. (8) and (9) of AlignMix. No
    gradient flows through it (Algorithm 1, line 23). It runs in float32,
    also under autocast, and never waits for the device.

    Args:
        cost (Tensor): Cost matrices :math:`M`, ``(B, r, s)``.
        eps (float): Entropic regularization :math:`\epsilon`. Defaults to
            0.1.
        solver (str): ``'annealed'``, which converges on real features, or
            ``'log'``, the paper's plain iteration, which after 100
            iterations does not. Defaults to ``'annealed'``.
        num_iters (int, optional): Budget of the solver: sweeps of the last
            stage (annealed) or iterations (log). Defaults to None, which is
            40 to 140, growing with ``r``, and 100.
        tol (float, optional): Only for ``solver='log'``: stop once the L1
            change of the row potential (unit of ``cost``), averaged over the
            batch, is below it; the authors' code has 0.1. Defaults to None.
        end (str): Only for ``solver='log'``: ``'row'`` or ``'col'``, the
            marginal that is exact; the authors' code has ``'col'``. Defaults
            to ``'row'``.
        backend (str): ``'auto'`` or ``'torch'``. Defaults to ``'auto'``.
        return_info (bool): Whether to return a :class:`TransportInfo` too.
            Defaults to False.

    Returns:
        Tensor | tuple[Tensor, TransportInfo]: ``(B, r, s)``, float32. With
        the annealed solver rows sum to 1 and columns to ``r / s`` to
        rounding; with the log solver one of the two does (see ``end``).

    Raises:
        ValueError: If an argument is out of range.
        TypeError: If ``cost`` is no floating point tensor.

    Example:
        >>> cost = torch.tensor([[[0., 1.], [1., 0.]]])
        >>> assignment(cost, eps=1.0)
        tensor([[[0.7311, 0.2689],
                 [0.2689, 0.7311]]])
    """
    _check_cost(cost)
    solve = make_solver(solver, eps, num_iters, tol, end)
    backend, reason = choose_backend(backend)
    with full_precision(cost.device):
        plan, rows, cols, sweeps = solve(cost.float())
    if not return_info:
        return plan
    r, s = cost.shape[1:]
    return plan, TransportInfo(
        row_violation=(rows - 1).abs().mean(dim=1),
        col_violation=(cols * (s / r) - 1).abs().mean(dim=1),
        sweeps=torch.as_tensor(sweeps, device=cost.device),
        backend=backend,
        reason=reason)


def make_solver(solver: str,
                eps: float,
                num_iters: int | None = None,
                tol: float | None = None,
                end: str = 'row') -> Callable:
    """Check the options of a solver and bind them.

    Args:
        solver (str): ``'annealed'`` or ``'log'``.
        eps (float): See :func:`assignment`.
        num_iters (int, optional): See :func:`assignment`.
        tol (float, optional): See :func:`assignment`.
        end (str): See :func:`assignment`.

    Returns:
        Callable: ``cost -> (plan, row sums, column sums, sweeps)``,
        the sums as the iteration left them.

    Raises:
        ValueError: If an option is unknown, out of range, or not one of
            this solver's.
    """
    if not (isinstance(eps, (int, float)) and 0 < eps < math.inf):
        raise ValueError(f'Expected `eps` to be a number > 0, but got {eps!r}.'
                         ' It is in the unit of the cost; the paper has 0.1.')
    if num_iters is not None and (not isinstance(num_iters, int)
                                  or num_iters < 1):
        raise ValueError('Expected `num_iters` to be an integer >= 1 or None, '
                         f'but got {num_iters!r}.')
    if solver not in _SOLVERS:
        raise ValueError(f'Expected `solver` to be one of {sorted(_SOLVERS)}, '
                         f'but got {solver!r}.')
    if end not in ('row', 'col'):
        raise ValueError(f"Expected `end` to be 'row' or 'col', got {end!r}.")
    if tol is not None and not tol > 0:
        raise ValueError(f'Expected `tol` to be > 0 or None, but got {tol!r}.')
    if solver != 'log' and (tol is not None or end != 'row'):
        raise ValueError(
            f"`tol` and `end` reproduce the plain iteration: use them with "
            f"solver='log', not with solver={solver!r}.")
    return functools.partial(
        _SOLVERS[solver], eps=eps, num_iters=num_iters, tol=tol, end=end)


def choose_backend(backend: str) -> tuple[str, str]:
    """Name the backend that will run, and why.

    Args:
        backend (str): ``'auto'`` or ``'torch'``.

    Returns:
        tuple[str, str]: Backend and reason.

    Raises:
        ValueError: If there is no such backend.
    """
    reasons = {
        'auto': 'plain torch serves every device',
        'torch': 'asked for',
    }
    if backend not in reasons:
        raise ValueError(f'Expected `backend` to be one of {list(reasons)}, '
                         f'but got {backend!r}.')
    return 'torch', reasons[backend]


def _run_annealed(cost, eps, num_iters, tol, end):
    return annealed_sinkhorn(cost / -eps, num_iters)


def _run_log(cost, eps, num_iters, tol, end):
    return log_sinkhorn(cost, eps, num_iters or 100, tol, end)


_SOLVERS = {'annealed': _run_annealed, 'log': _run_log}

#: The cheapest cost of feature maps that has the same plan. Before it has
#: converged, the plain iteration sees terms that a converged plan does not.
SOLVER_COSTS = {'annealed': cross_cost, 'log': pairwise_cost}


def _check_cost(cost: Tensor) -> None:
    if not isinstance(cost, Tensor) or not cost.is_floating_point():
        got = cost.dtype if isinstance(cost, Tensor) else type(cost).__name__
        raise TypeError('Expected `cost` to be a floating point tensor, but '
                        f'got {got}.')
    if cost.ndim != 3 or 0 in cost.shape[1:]:
        raise ValueError('Expected `cost` of shape (B, r, s) with r, s >= 1, '
                         f'but got {tuple(cost.shape)}.')
