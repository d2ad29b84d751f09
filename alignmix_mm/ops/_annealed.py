"""Sinkhorn that converges on real features: annealing and over-relaxation.

At ``eps = 0.1`` the squared distances of real features are thousands of
``eps``, and plain Sinkhorn needs thousands of iterations. Here every pair
starts at a temperature where Sinkhorn converges fast, and cools geometrically
to ``eps``, so each stage starts close to its solution. There, over-relaxed
sweeps (Thibault et al., "Overrelaxed Sinkhorn-Knopp", 2017) are safe, and
about the square root of the number of plain sweeps is enough. A projection
(Altschuler et al., 2017) makes both marginals exact.

Each pair has its own temperatures: a plan does not depend on the other pairs
of the batch, and nothing has to be read back from the device.
"""
import math
from typing import NamedTuple

import torch
from torch import Tensor

from ._clipping import clip_cost, reduce_cost

PLAIN_TAIL = 3  # plain sweeps at the end, which remove the overshoot
SMALL, MEDIUM = 25, 64  # positions
# An entry below e^-60 carries no mass. With a lower floor, dead positions
# would lose all their mass for good, and denormals would make exp and matrix
# products several times slower on a CPU.
EXPONENT_FLOOR = -60.0
# Unbounded scalings overflow on maps with many dead positions.
SCALE_MIN, SCALE_MAX = 1e-18, 1e18
# float32 resolves potentials to 2^-24 of the costs: cooling below 2^-20 of the
# first temperature (real features stay above) would only amplify rounding.
COLDEST = {torch.float32: 2.0**-20, torch.float64: 2.0**-49}


class Schedule(NamedTuple):
    """Number of sweeps of a solve, and their relaxation.

    Attributes:
        stages (int): Cooling stages above ``eps``.
        stage_sweeps (int): Sweeps of each cooling stage.
        final_sweeps (int): Sweeps of the last stage, at ``eps``.
        relaxation (float): Weight of an update; 1 is plain Sinkhorn.
    """

    stages: int
    stage_sweeps: int
    final_sweeps: int
    relaxation: float

    @property
    def total(self) -> int:
        """Sweeps of all stages."""
        return self.stages * self.stage_sweeps + self.final_sweeps


def make_schedule(r: int, s: int, num_iters: int | None = None) -> Schedule:
    """Choose the sweeps for maps of ``r`` and ``s`` positions.

    The more positions, the more sweeps a stage needs: with too few, it loses
    track of the solution, and the plan is wrong although its violation is
    small. The last stage has to split mass between equal positions; with
    ``r != s`` every plan splits mass.

    Args:
        r (int): Rows.
        s (int): Columns.
        num_iters (int, optional): Sweeps of the last stage. Defaults to
            None, which is 40 for up to 25 positions, 50 for up to 64, 80
            for more, and 140 for ``r != s``.

    Returns:
        Schedule: The schedule.
    """
    if r != s:
        stages, stage_sweeps, final_sweeps = 14, 40, 140
    elif r <= SMALL:
        stages, stage_sweeps, final_sweeps = 8, 8, 40
    else:
        stages, stage_sweeps = 14, math.ceil(7 / 8 * math.sqrt(r))
        final_sweeps = 50 if r <= MEDIUM else 80
    return Schedule(stages, stage_sweeps,
                    final_sweeps if num_iters is None else num_iters,
                    1.8 if max(r, s) < 49 else 1.9)


def annealed_sinkhorn(
    scores: Tensor,
    num_iters: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, int]:
    """Scale ``exp(scores)`` to rows of 1 and columns of ``r / s``.

    Args:
        scores (Tensor): ``-cost / eps``, ``(B, r, s)``, float32. Terms that
            depend only on the row or only on the column do not matter.
        num_iters (int, optional): See :func:`make_schedule`.

    Returns:
        tuple: The assignment ``(B, r, s)``, row sums ``(B, r)`` and column
        sums ``(B, s)`` before the projection, all in the dtype of
        ``scores``, and the number of sweeps.
    """
    schedule = make_schedule(*scores.shape[1:], num_iters)
    return *_solve(scores, num_iters), schedule.total


# torch.compile would make the small products slower. It does not look inside
# an operator, and compiles the code around it as one graph.
@torch.library.custom_op(
    'alignmix_mm::annealed_sinkhorn', mutates_args=(),
    schema='(Tensor scores, int? num_iters) -> (Tensor, Tensor, Tensor)')
def _solve(scores: Tensor,
           num_iters: int | None) -> tuple[Tensor, Tensor, Tensor]:
    schedule = make_schedule(*scores.shape[1:], num_iters)
    plan, _ = cool(clip_cost(reduce_cost(scores)), schedule)
    rows, cols = plan.sum(dim=2), plan.sum(dim=1)
    return project(plan, cols), rows, cols


@_solve.register_fake
def _(scores, num_iters):
    batch, r, s = scores.shape
    return (scores.new_empty(batch, r, s), scores.new_empty(batch, r),
            scores.new_empty(batch, s))


def cool(cost: Tensor, schedule: Schedule) -> tuple[Tensor, Tensor]:
    """Solve from hot to cold.

    Args:
        cost (Tensor): Reduced costs in units of eps, ``(B, r, s)``; float32
            or float64.
        schedule (Schedule): The sweeps.

    Returns:
        tuple[Tensor, Tensor]: A plan with exact row sums, ``(B, r, s)``, and
        the potential of the columns, ``(B, 1, s)``, in units of eps.
    """
    stages, stage_sweeps, final_sweeps, relaxation = schedule
    # the mean gap between an entry and the best of its row and column: at
    # this temperature all entries still matter
    hottest = cost.mean(dim=2, keepdim=True).mean(dim=1, keepdim=True)
    hottest.clamp_(min=1)
    coldest = (hottest * COLDEST[cost.dtype]).clamp_(min=1)
    shift = torch.zeros_like(cost[:, :1])
    for stage in range(stages):
        temperature = torch.lerp(hottest.log(), coldest.log(),
                                 stage / stages).exp_()
        kernel = _kernel(cost, shift, temperature)
        # a plain sweep first: from afar, over-relaxation overshoots
        v = sweep(kernel, [1.0] + [relaxation] * (stage_sweeps - 1))
        shift = shift + temperature * v.log()
        shift -= shift.amax(dim=2, keepdim=True)  # small numbers round less

    kernel = _kernel(cost, shift, coldest)
    plain = min(PLAIN_TAIL, final_sweeps)
    v = sweep(kernel, [relaxation] * (final_sweeps - plain) + [1.0] * plain)
    plan = kernel.mul_(v)
    plan /= plan.sum(dim=2, keepdim=True)
    return plan, shift + coldest * v.log()


def _kernel(cost: Tensor, shift: Tensor, temperature: Tensor) -> Tensor:
    """``exp((shift - cost) / temperature)``, scaled to row maxima of 1."""
    kernel = (shift - cost).div_(temperature)
    kernel -= kernel.amax(dim=2, keepdim=True)
    return kernel.clamp_(min=EXPONENT_FLOOR).exp_()


def sweep(kernel: Tensor, relaxations: list[float]) -> Tensor:
    """Over-relaxed updates; returns the scaling of the columns, ``(B, 1, s)``.

    The products are row vectors times matrices: on a CPU, batched products
    in the other order are several times slower. With few positions most of
    the time goes to the calls themselves, so all updates are in place.
    """
    r, s = kernel.shape[1:]
    transposed = kernel.transpose(1, 2)
    if r <= SMALL:  # the layout in which small products are fastest
        kernel = transposed.contiguous().transpose(1, 2)
    u = kernel.sum(dim=2).reciprocal_().unsqueeze(1)
    v = torch.ones_like(kernel[:, :1])
    for w in relaxations:
        cols = torch.bmm(u, kernel).mul_(v)
        if r != s:
            cols *= s / r
        v *= cols.pow_(-w)
        v.clamp_(SCALE_MIN, SCALE_MAX)
        rows = torch.bmm(v, transposed).mul_(u)
        u *= rows.pow_(-w)
        u.clamp_(SCALE_MIN, SCALE_MAX)
    return v


def project(plan: Tensor, cols: Tensor) -> Tensor:
    """Project a plan with exact row sums onto both marginals, in place.

    Columns that are too heavy are scaled down. The mass that the rows then
    lack goes to the columns that are too light, as an outer product.
    """
    r, s = plan.shape[1:]
    plan *= (r / s / cols).clamp_(max=1).unsqueeze(1)
    row_gap = (1 - plan.sum(dim=2)).clamp_(min=0)
    col_gap = (r / s - plan.sum(dim=1)).clamp_(min=0)
    tiny = torch.finfo(plan.dtype).tiny
    share = row_gap / row_gap.sum(dim=1, keepdim=True).clamp_(min=tiny)
    return plan.baddbmm_(share.unsqueeze(2), col_gap.unsqueeze(1))
