"""How far a plan may be from the exact one, whatever solved it."""
import torch
from torch import Tensor

from ._annealed import cool, make_schedule, project
from ._clipping import close_gap, feasible_limit, reduce_cost
from ._precision import full_precision
from ._reference import SCORE_LIMIT

SWEEPS = 500  # at eps, of the solve in float64


@torch.no_grad()
def error_bound(cost: Tensor, plan: Tensor, eps: float) -> Tensor:
    r"""Bound of the L1 distance between rows of a plan and of the exact one.

    The problem is solved again in float64. If :math:`Q` is a plan with the
    right marginals and :math:`\tilde P` has the form of a solution,
    :math:`\exp((f_i + g_j - m_{ij}) / \epsilon)`, then the duality gap is
    :math:`\epsilon\,\mathrm{KL}(Q | \tilde P)`, and by Pinsker's inequality

    .. math::
        \|R - R^*\|_1 \le \|R - Q\|_1 + \sqrt{2\, \mathrm{KL}(Q | \tilde P)}

    with all norms and sums as means over rows.

    Args:
        cost (Tensor): ``(B, r, s)``.
        plan (Tensor): Its assignment, ``(B, r, s)``, by any solver.
        eps (float): Entropic regularization.

    Returns:
        Tensor: ``(B, )``, float64, between 0 and 2, where 2 says nothing.
        NaN for a plan that is NaN.
    """
    scores = (cost.double() / -eps).clamp_(-SCORE_LIMIT, SCORE_LIMIT)
    with full_precision(cost.device):
        exact, logarithm, ignored = _solve(scores)
    distance = (plan.double() - exact).abs().sum(dim=2).mean(dim=1)
    entropy = torch.xlogy(exact, exact) - exact * logarithm
    divergence = entropy.sum(dim=2).mean(dim=1).clamp_(min=0)
    # the mass that an entry would have to lose to be worth its real cost
    moved = 4 * (exact * ignored).sum(dim=2).mean(dim=1)
    return (distance + (2 * divergence).sqrt() + moved).clamp_(max=2)


def _solve(scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Solve in float64, up to costs that should carry no mass.

    Returns:
        tuple: A plan with the right marginals; the logarithm of one that has
        the form of a solution; and which costs were lowered, all
        ``(B, r, s)``.
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
