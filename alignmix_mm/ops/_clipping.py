"""Lower the costs that cannot carry mass, so that float32 resolves the rest.

A forbidden pair has a cost far above the others, or an infinite one. Left
unchanged, it would set the first temperature, and all differences between the
other costs would be lost in rounding. No optimal plan depends on how far above
the others it is:

- Plans between integer masses are mixtures of plans whose entries are
  multiples of a quantum. Let all costs above a gap be alike. Once one quantum
  of them outweighs all lower costs together, their exact value no longer
  decides whether a plan uses one quantum more of them.
- No entry of an optimal plan costs more than a whole feasible plan.
"""
import math

from torch import Tensor

MARGIN = 100.0  # an entry that costs this many eps more carries no mass
FEASIBLE_SWEEPS = 6
FEASIBLE_SLACK = 0.2  # quanta that may be missing
FEASIBLE_FACTOR = 8.0


def reduce_cost(scores: Tensor) -> Tensor:
    """Costs in units of eps, with a minimum of 0 in every row and column.

    Args:
        scores (Tensor): ``-cost / eps``, ``(B, r, s)``, floating point.

    Returns:
        Tensor: Costs with the same plan, like ``scores``.
    """
    cost = scores.amax(dim=2, keepdim=True) - scores
    cost -= cost.amin(dim=1, keepdim=True)
    return cost


def clip_cost(cost: Tensor) -> Tensor:
    """Lower the costs that cannot carry mass.

    Args:
        cost (Tensor): Reduced costs, ``(B, r, s)``, floating point.

    Returns:
        Tensor: Costs with the same plan, like ``cost``.
    """
    cost = close_gap(cost)
    return cost.minimum(feasible_limit(cost))


def quanta(r: int, s: int) -> int:
    """Number of quanta into which plans split the mass of a row."""
    return s // math.gcd(r, s)


def _threshold(highest: Tensor) -> Tensor:
    """Geometric mean of the highest cost and of eps, which is 1 here."""
    return highest.clamp(min=1).sqrt_()


def close_gap(cost: Tensor) -> Tensor:
    """Lower all costs above a threshold by one amount, if they are alike."""
    r, s = cost.shape[1:]
    highest = cost.amax(dim=(1, 2), keepdim=True)
    high = cost > _threshold(highest)
    ceiling = cost.masked_fill(high, 0).amax(dim=(1, 2), keepdim=True)
    floor = cost.where(high, highest).amin(dim=(1, 2), keepdim=True)
    needed = r * quanta(r, s) * (highest - floor + ceiling) + MARGIN
    # in this order, so that the high costs leave no rounding error
    lowered = (cost - floor).add_(needed.minimum(floor))
    return lowered.where(high, cost)


def feasible_limit(cost: Tensor) -> Tensor:
    """Bound on the cost of any entry of an optimal plan, ``(B, 1, 1)``.

    It runs a few sweeps of Sinkhorn on a kernel that falls with the square of
    the cost. If the result lacks less than a quantum of mass, some plan uses
    only its entries (a fractional matching of more than r - 1 rows implies a
    perfect one), and the cost of the result bounds that of this plan up to a
    factor.
    """
    from ._annealed import sweep  # it imports this module
    r, s = cost.shape[1:]
    threshold = _threshold(cost.amax(dim=(1, 2), keepdim=True))
    kernel = (cost / threshold).square_().add_(1).reciprocal_()
    plan = kernel * sweep(kernel, [1.0] * FEASIBLE_SWEEPS)
    plan /= plan.sum(dim=2, keepdim=True)
    missing = (r / s - plan.sum(dim=1)).clamp_(min=0).sum(dim=1)
    spent = plan.mul_(cost).sum(dim=(1, 2), keepdim=True)
    feasible = missing.view(-1, 1, 1) < FEASIBLE_SLACK / quanta(r, s)
    limit = spent.mul_(FEASIBLE_FACTOR).add_(MARGIN)
    return limit.where(feasible, float('inf'))
