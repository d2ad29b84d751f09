"""Triton kernels of the annealed solver; `_annealed.py` is their reference.

The kernel of this module, for up to 64 positions, keeps the whole problem of a
pair in registers. The one of `_kernels_large.py`, for up to 256, passes over
it in blocks of rows. Tiles are padded to powers of two: padded entries of the
kernel ``K`` are zero, and padded rows and columns are given the sum 1, so
their scalings stay 1.

Scalings are kept as logarithms to the base 2: an update is then an addition
and one `exp2`.
"""
import math
import os

import torch
import triton
import triton.language as tl

from . import _annealed, _clipping, _reference

PLAIN_TAIL = tl.constexpr(_annealed.PLAIN_TAIL)
COLDEST = tl.constexpr(_annealed.COLDEST[torch.float32])
EXPONENT_FLOOR = tl.constexpr(_annealed.EXPONENT_FLOOR / math.log(2))
SCALE_MIN = tl.constexpr(math.log2(_annealed.SCALE_MIN))
SCALE_MAX = tl.constexpr(math.log2(_annealed.SCALE_MAX))
LN2 = tl.constexpr(math.log(2))
COMPILED = tl.constexpr(os.environ.get('TRITON_INTERPRET') != '1')
HUGE = tl.constexpr(1e38)  # beyond all costs; the difference of two is not NaN
TINY = tl.constexpr(2.0**-126)
SCORE_LIMIT = tl.constexpr(_reference.SCORE_LIMIT)
MARGIN = tl.constexpr(_clipping.MARGIN)
FEASIBLE_SWEEPS = tl.constexpr(_clipping.FEASIBLE_SWEEPS)
FEASIBLE_SLACK = tl.constexpr(_clipping.FEASIBLE_SLACK)
FEASIBLE_FACTOR = tl.constexpr(_clipping.FEASIBLE_FACTOR)


@triton.jit
def log2(x):
    """Logarithm by the hardware, accurate to 2^-22.

    Triton computes its own in software, which takes more than half of the
    instructions of a sweep. The interpreter cannot run inline assembly.
    """
    if COMPILED:
        return tl.inline_asm_elementwise(
            'lg2.approx.ftz.f32 $0, $1;', '=f,f', [x], dtype=tl.float32,
            is_pure=True, pack=1)
    else:
        return tl.log2(x)


@triton.jit
def update(log_scale, sums, w):
    """One over-relaxed step of log2 scalings towards sums of 1."""
    log_scale -= w * (log2(sums) + log_scale)
    return tl.minimum(tl.maximum(log_scale, SCALE_MIN), SCALE_MAX)


@triton.jit
def relaxation_of(k, stage, stages, final_sweeps, relaxation):
    """Weight of sweep k: 1 for the first of a stage, the last of all."""
    head = (stage < stages) & (k == 0)
    tail = (stage == stages) & (k >= final_sweeps - PLAIN_TAIL)
    return tl.where(head | tail, 1.0, relaxation)


@triton.jit
def temperature_of(hottest, stage, stages):
    """Temperature of a stage, geometric from the first to the last."""
    hot = tl.log2(hottest)
    cold = tl.log2(tl.maximum(hottest * COLDEST, 1.0))
    return tl.exp2(hot + (cold - hot) * (stage / stages))


@triton.jit
def poison_of(scores, valid):
    """NaN if one of the scores is NaN, else 0: minima and maxima drop NaN."""
    nan = tl.where(valid & (scores != scores), float('nan'), 0.0)
    return tl.sum(tl.sum(nan, 1), 0)


@triton.jit
def distance_of(scores, valid):
    """Distance of each score from the best of its row; 0 outside `valid`."""
    scores = tl.where(scores > SCORE_LIMIT, SCORE_LIMIT, scores)
    scores = tl.where(scores < -SCORE_LIMIT, -SCORE_LIMIT, scores)
    best = tl.max(tl.where(valid, scores, -HUGE), 1)
    return tl.where(valid, best[:, None] - scores, 0.0)


@triton.jit
def threshold_of(highest):
    """Geometric mean of the highest cost and of eps, which is 1 here."""
    return tl.sqrt(tl.maximum(highest, 1.0))


@triton.jit
def lowered(cost, threshold, floor, level):
    """Move costs above the threshold from the floor to a level."""
    return tl.where(cost > threshold, (cost - floor) + level, cost)


@triton.jit
def level_of(highest, floor, ceiling, R: tl.constexpr):
    """Where costs from `floor` to `highest` outweigh those to `ceiling`."""
    return tl.minimum(R * (highest - floor + ceiling) + MARGIN, floor)


@triton.jit
def flat_kernel(cost, middle, valid):
    """A kernel that falls with the square of the cost."""
    ratio = cost / middle
    return tl.where(valid, 1.0 / (1.0 + ratio * ratio), 0.0)


@triton.jit
def limit_of(spent, missing):
    """Bound on the entries of an optimal plan, if a plan was found."""
    return tl.where(missing < FEASIBLE_SLACK,
                    spent * FEASIBLE_FACTOR + MARGIN, HUGE)


@triton.jit
def scaled_kernel(cost, shift, valid, temperature):
    """``exp((shift - cost) / temperature)``, scaled to row maxima of 1."""
    reduced = tl.where(valid, shift[None, :] - cost, -HUGE)
    reduced -= tl.max(reduced, 1)[:, None]
    exponent = tl.maximum(reduced / (LN2 * temperature), EXPONENT_FLOOR)
    return tl.where(valid, tl.exp2(exponent), 0.0)


@triton.jit
def recentered(shift, inside):
    """Potentials relative to the largest: small numbers round less."""
    top = tl.max(tl.where(inside, shift, -HUGE), 0)
    return tl.where(inside, shift - top, 0.0)


@triton.jit
def _sweep(kernel, log_u, log_v, inside, w):
    """Update the columns, then the rows."""
    cols = tl.sum(kernel * tl.exp2(log_u)[:, None], 0)
    log_v = update(log_v, tl.where(inside, cols, 1.0), w)
    rows = tl.sum(kernel * tl.exp2(log_v)[None, :], 1)
    return update(log_u, tl.where(inside, rows, 1.0), w), log_v


@triton.jit
def _first_scaling(kernel, inside):
    return -log2(tl.where(inside, tl.sum(kernel, 1), 1.0))


@triton.jit
def _normalized(kernel, log_v, inside):
    """Scale the columns by v and the rows to 1."""
    plan = kernel * tl.exp2(log_v)[None, :]
    return plan / tl.where(inside, tl.sum(plan, 1), 1.0)[:, None]


@triton.jit
def _clipped(cost, inside, valid, R: tl.constexpr):
    """Lower the costs that cannot carry mass; see `_clipping.py`."""
    highest = tl.max(tl.max(cost, 1), 0)
    threshold = threshold_of(highest)
    high = cost > threshold
    ceiling = tl.max(tl.max(tl.where(high, 0.0, cost), 1), 0)
    floor = tl.min(tl.min(tl.where(high, cost, highest), 1), 0)
    level = level_of(highest, floor, ceiling, R)
    cost = lowered(cost, threshold, floor, level)
    middle = threshold_of(lowered(highest, threshold, floor, level))
    kernel = flat_kernel(cost, middle, valid)
    log_u = _first_scaling(kernel, inside)
    log_v = tl.zeros_like(log_u)
    for _ in range(FEASIBLE_SWEEPS):
        log_u, log_v = _sweep(kernel, log_u, log_v, inside, 1.0)
    plan = _normalized(kernel, log_v, inside)
    spent = tl.sum(tl.sum(plan * cost, 1), 0)
    missing = tl.where(inside, tl.maximum(1.0 - tl.sum(plan, 0), 0.0), 0.0)
    return tl.minimum(cost, limit_of(spent, tl.sum(missing, 0)))


@triton.jit
def _anneal(scores, R: tl.constexpr, RP: tl.constexpr, stages, stage_sweeps,
            final_sweeps, relaxation):
    """Plan of one pair, and its row and column sums before the projection.

    scores: (RP, RP), float32.
    """
    inside = tl.arange(0, RP) < R
    valid = inside[:, None] & inside[None, :]
    poison = poison_of(scores, valid)
    cost = distance_of(scores, valid)
    cost -= tl.min(tl.where(valid, cost, HUGE), 0)[None, :]
    cost = _clipped(tl.where(valid, cost, 0.0), inside, valid, R)
    hottest = tl.maximum(tl.sum(tl.sum(cost, 1) / R, 0) / R, 1.0)

    kernel = cost
    shift = tl.zeros_like(tl.sum(cost, 0))
    log_v = shift
    for stage in range(stages + 1):
        temperature = temperature_of(hottest, stage, stages)
        kernel = scaled_kernel(cost, shift, valid, temperature)
        log_u = _first_scaling(kernel, inside)
        log_v = tl.zeros_like(shift)
        for k in range(tl.where(stage < stages, stage_sweeps, final_sweeps)):
            w = relaxation_of(k, stage, stages, final_sweeps, relaxation)
            log_u, log_v = _sweep(kernel, log_u, log_v, inside, w)
        shift = recentered(shift + temperature * LN2 * log_v, inside)

    plan = _normalized(kernel, log_v, inside) + poison
    rows, cols = tl.sum(plan, 1), tl.sum(plan, 0)
    return _project(plan, cols, inside) + poison, rows, cols


@triton.jit
def _project(plan, cols, inside):
    """Project a plan with exact row sums onto both marginals."""
    plan *= tl.minimum(1.0 / tl.where(inside, cols, 1.0), 1.0)[None, :]
    row_gap = tl.where(inside, tl.maximum(1.0 - tl.sum(plan, 1), 0.0), 0.0)
    col_gap = tl.where(inside, tl.maximum(1.0 - tl.sum(plan, 0), 0.0), 0.0)
    share = row_gap / tl.maximum(tl.sum(row_gap, 0), TINY)
    return plan + share[:, None] * col_gap[None, :]


@triton.jit
def plan_kernel(score_ptr, plan_ptr, sums_ptr, splits, split_stride,
                batch_stride, row_stride, col_stride, scale, stages,
                stage_sweeps, final_sweeps, relaxation, R: tl.constexpr,
                RP: tl.constexpr):
    """One program for each pair.

    The scores are the sum of `splits` matrices, times `scale`: parts of a
    Gram matrix, or one cost matrix. Writes the plan (R, R) and sums (2, R).
    """
    pair = tl.program_id(0).to(tl.int64)
    i = tl.arange(0, RP)
    valid = (i < R)[:, None] & (i < R)[None, :]
    score_ptr += pair * batch_stride
    offsets = i[:, None] * row_stride + i[None, :] * col_stride
    scores = tl.zeros((RP, RP), tl.float32)
    for split in range(splits):
        part = tl.load(score_ptr + split * split_stride + offsets, mask=valid,
                       other=0.0)
        scores += part.to(tl.float32)
    plan, rows, cols = _anneal(scores * scale, R, RP, stages, stage_sweeps,
                               final_sweeps, relaxation)
    tl.store(plan_ptr + pair * R * R + i[:, None] * R + i[None, :], plan,
             mask=valid)
    tl.store(sums_ptr + pair * 2 * R + i, rows, mask=i < R)
    tl.store(sums_ptr + pair * 2 * R + R + i, cols, mask=i < R)
