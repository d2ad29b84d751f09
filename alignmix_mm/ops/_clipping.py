"""Costs that cannot carry mass, brought down to where float32 has digits.

A forbidden pair is a cost far above the others, or infinite. Left as it is,
it sets the first temperature, and every difference of the other costs is lost
in the rounding of that scale. No optimal plan notices how far above it is:

- Plans between integer masses are mixtures of plans whose entries are
  multiples of a quantum. If all costs above a gap are alike, a plan pays for
  one quantum more of them, or not, whatever they are exactly, as soon as one
  quantum outweighs all of the lower costs together.
- No entry of an optimal plan costs more than all of a feasible plan does.
"""
import math

from torch import Tensor

MARGIN = 100.0  # a cost of so many eps more carries no mass
FEASIBLE_SWEEPS = 6
FEASIBLE_SLACK = 0.2  # quanta that may be missing
FEASIBLE_FACTOR = 8.0


def reduce_cost(scores: Tensor) -> Tensor:
    """Costs in units of eps, the least of every row and column 0.

    Args:
        scores (Tensor): ``-cost / eps``, ``(B, r, s)``.

    Returns:
        Tensor: Like ``scores``. The plan is the same.
    """
    cost = scores.amax(dim=2, keepdim=True) - scores
    cost -= cost.amin(dim=1, keepdim=True)
    return cost


def clip_cost(cost: Tensor) -> Tensor:
    """Lower the costs that cannot carry mass.

    Args:
        cost (Tensor): Reduced costs, ``(B, r, s)``.

    Returns:
        Tensor: Costs that have the same plan.
    """
    cost = close_gap(cost)
    return cost.minimum(feasible_limit(cost))


def quanta(r: int, s: int) -> int:
    """Into how many parts plans between the marginals split a row."""
    return s // math.gcd(r, s)


def _threshold(highest: Tensor) -> Tensor:
    """Between the highest cost and eps, which is 1, in logarithms."""
    return highest.clamp(min=1).sqrt_()


def close_gap(cost: Tensor) -> Tensor:
    """Lower all costs above a threshold alike, if they are alike."""
    r, s = cost.shape[1:]
    highest = cost.amax(dim=(1, 2), keepdim=True)
    high = cost > _threshold(highest)
    ceiling = cost.masked_fill(high, 0).amax(dim=(1, 2), keepdim=True)
    floor = cost.where(high, highest).amin(dim=(1, 2), keepdim=True)
    needed = r * quanta(r, s) * (highest - floor + ceiling) + MARGIN
    # in this order, or the rounding of the high costs remains
    lowered = (cost - floor).add_(needed.minimum(floor))
    return lowered.where(high, cost)


def feasible_limit(cost: Tensor) -> Tensor:
    """What no entry of an optimal plan exceeds, ``(B, 1, 1)``.

    A few sweeps of Sinkhorn on a kernel that falls with the square of the
    cost. If less than a quantum is missing from the result, plans exist that
    use no other entries (a fractional matching of more than r - 1 rows
    implies a perfect one), and its cost bounds theirs up to a factor.
    """
    from ._annealed import sweep  # which uses this module
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
