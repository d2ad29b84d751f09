"""A bound on the error of a plan, from any solver."""
import torch
from torch import Tensor

from ._annealed import cool, make_schedule, project
from ._clipping import close_gap, feasible_limit, reduce_cost
from ._precision import full_precision
from ._reference import SCORE_LIMIT

SWEEPS = 500  # at eps, of the solve in float64


@torch.no_grad()
def error_bound(cost: Tensor, plan: Tensor, eps: float) -> Tensor:
    r"""Bound on the L1 distance between the rows of a plan and the exact one.

    The problem is solved again in float64. If :math:`Q` is a plan with the
    right marginals and :math:`\tilde P` has the form of a solution,
    :math:`\exp((f_i + g_j - m_{ij}) / \epsilon)`, then the duality gap is
    :math:`\epsilon\,\mathrm{KL}(Q | \tilde P)`, and by Pinsker's inequality

    .. math::
        \|R - R^*\|_1 \le \|R - Q\|_1 + \sqrt{2\, \mathrm{KL}(Q | \tilde P)}

    for the given assignment :math:`R` and the exact one :math:`R^*`. All
    norms and divergences are means over rows.

    Args:
        cost (Tensor): Costs :math:`m`, ``(B, r, s)``, floating point.
        plan (Tensor): Assignment :math:`R` of these costs, ``(B, r, s)``,
            floating point, from any solver.
        eps (float): Entropic regularization.

    Returns:
        Tensor: ``(B, )``, float64, from 0 to 2; a bound of 2 says nothing.
        NaN for a plan that is NaN.
    """
    scores = (cost.double() / -eps).clamp_(-SCORE_LIMIT, SCORE_LIMIT)
    with full_precision(cost.device):
        exact, logarithm, ignored = _solve(scores)
    distance = (plan.double() - exact).abs().sum(dim=2).mean(dim=1)
    entropy = torch.xlogy(exact, exact) - exact * logarithm
    divergence = entropy.sum(dim=2).mean(dim=1).clamp_(min=0)
    # mass that entries would have to lose at their real, higher cost
    moved = 4 * (exact * ignored).sum(dim=2).mean(dim=1)
    return (distance + (2 * divergence).sqrt() + moved).clamp_(max=2)


def _solve(scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Solve in float64, with lower costs where no mass should be.

    Returns:
        tuple: A plan with the right marginals; the logarithm of a plan that
        has the form of a solution; and a mask of the costs that were
        lowered, all ``(B, r, s)``.
    """
    r, s = scores.shape[1:]
    cost = close_gap(reduce_cost(scores))
    limit = feasible_limit(cost)
    ignored = cost > limit
    cost = cost.minimum(limit)
    _, potential = cool(cost, make_schedule(r, s, SWEEPS))
    logarithm = torch.log_softmax(potential - cost, dim=2)
    plan = logarithm.exp()
    return project(plan, plan.sum(dim=1)), logarithm, ignored
