"""Passes over a matrix in blocks of rows; see `_kernels_large.py`."""
import triton
import triton.language as tl

from ._kernels import (
    FEASIBLE_SWEEPS,
    HUGE,
    distance_of,
    flat_kernel,
    level_of,
    limit_of,
    log2,
    lowered,
    poison_of,
    threshold_of,
    update,
)


@triton.jit
def block(start, R: tl.constexpr, RP: tl.constexpr, ROWS: tl.constexpr):
    """Rows of a block, where its entries are, and which exist."""
    i = start + tl.arange(0, ROWS)
    j = tl.arange(0, RP)
    return i, i[:, None] * R + j[None, :], (i < R)[:, None] & (j < R)[None, :]


@triton.jit
def put(plan_ptr, u_ptr, kernel, i, at, valid, R: tl.constexpr):
    """Write rows of K and u = 1 / (K 1); returns their part of K^T u."""
    log_u = -log2(tl.where(i < R, tl.sum(kernel, 1), 1.0))
    tl.store(plan_ptr + at, kernel, mask=valid)
    tl.store(u_ptr + i, log_u, mask=i < R)
    return tl.sum(kernel * tl.exp2(log_u)[:, None], 0)


@triton.jit
def sweep_rows(plan_ptr, u_ptr, log_v, w, R: tl.constexpr, RP: tl.constexpr,
               ROWS: tl.constexpr):
    """Update u of all rows; returns the sums K^T u."""
    cols = tl.zeros((RP, ), tl.float32)
    v = tl.exp2(log_v)
    for start in range(0, R, ROWS):
        i, at, valid = block(start, R, RP, ROWS)
        kernel = tl.load(plan_ptr + at, mask=valid, other=0.0)
        log_u = tl.load(u_ptr + i, mask=i < R, other=0.0)
        tl.debug_barrier()  # several threads read what one will overwrite
        rows = tl.sum(kernel * v[None, :], 1)
        log_u = update(log_u, tl.where(i < R, rows, 1.0), w)
        cols += tl.sum(kernel * tl.exp2(log_u)[:, None], 0)
        tl.store(u_ptr + i, log_u, mask=i < R)
    tl.debug_barrier()
    return cols


@triton.jit
def _distances(score_ptr, cost_ptr, row_stride, col_stride, scale,
               R: tl.constexpr, RP: tl.constexpr, ROWS: tl.constexpr):
    """Write costs with a minimum of 0 in every row.

    Returns the least cost of each column, (RP, ), and NaN if one score is.
    """
    least = tl.full((RP, ), HUGE, tl.float32)
    poison = 0.0
    for start in range(0, R, ROWS):
        i, at, valid = block(start, R, RP, ROWS)
        offsets = (i[:, None] * row_stride +
                   tl.arange(0, RP)[None, :] * col_stride)
        scores = tl.load(score_ptr + offsets, mask=valid, other=0.0)
        scores = scores.to(tl.float32) * scale
        poison += poison_of(scores, valid)
        cost = distance_of(scores, valid)
        least = tl.minimum(least, tl.min(tl.where(valid, cost, HUGE), 0))
        tl.store(cost_ptr + at, cost, mask=valid)
    tl.debug_barrier()  # other threads read what was written here
    return least, poison


@triton.jit
def _reduce(cost_ptr, least, R: tl.constexpr, RP: tl.constexpr,
            ROWS: tl.constexpr):
    """Subtract the least of each column; returns the highest that is left."""
    highest = 0.0
    for start in range(0, R, ROWS):
        i, at, valid = block(start, R, RP, ROWS)
        cost = tl.load(cost_ptr + at, mask=valid, other=0.0) - least[None, :]
        highest = tl.maximum(
            highest, tl.max(tl.max(tl.where(valid, cost, 0.0), 1), 0))
        tl.store(cost_ptr + at, cost, mask=valid)
    tl.debug_barrier()
    return highest


@triton.jit
def _gap(cost_ptr, highest, threshold, R: tl.constexpr, RP: tl.constexpr,
         ROWS: tl.constexpr):
    """The highest cost below the threshold and the lowest above."""
    ceiling, floor = 0.0, highest
    for start in range(0, R, ROWS):
        i, at, valid = block(start, R, RP, ROWS)
        cost = tl.load(cost_ptr + at, mask=valid, other=0.0)
        high = cost > threshold
        below = tl.where(high, 0.0, cost)
        above = tl.where(high, cost, highest)
        ceiling = tl.maximum(ceiling, tl.max(tl.max(below, 1), 0))
        floor = tl.minimum(floor, tl.min(tl.min(above, 1), 0))
    return ceiling, floor


@triton.jit
def _close_gap(cost_ptr, plan_ptr, u_ptr, threshold, floor, level, middle,
               R: tl.constexpr, RP: tl.constexpr, ROWS: tl.constexpr):
    """Lower the costs above the gap, and write K and u for a feasible plan.

    Returns the sums K^T u.
    """
    cols = tl.zeros((RP, ), tl.float32)
    for start in range(0, R, ROWS):
        i, at, valid = block(start, R, RP, ROWS)
        cost = tl.load(cost_ptr + at, mask=valid, other=0.0)
        cost = lowered(cost, threshold, floor, level)
        kernel = flat_kernel(cost, middle, valid)
        cols += put(plan_ptr, u_ptr, kernel, i, at, valid, R)
        tl.store(cost_ptr + at, cost, mask=valid)
    tl.debug_barrier()
    return cols


@triton.jit
def _feasible_limit(cost_ptr, plan_ptr, u_ptr, cols, R: tl.constexpr,
                    RP: tl.constexpr, ROWS: tl.constexpr):
    """Bound on the cost of any entry of an optimal plan."""
    inside = tl.arange(0, RP) < R
    log_v = tl.zeros_like(cols)
    for _ in range(FEASIBLE_SWEEPS):
        log_v = update(log_v, tl.where(inside, cols, 1.0), 1.0)
        cols = sweep_rows(plan_ptr, u_ptr, log_v, 1.0, R, RP, ROWS)
    v = tl.exp2(log_v)
    cols = tl.zeros_like(v)
    spent = 0.0
    for start in range(0, R, ROWS):
        i, at, valid = block(start, R, RP, ROWS)
        plan = tl.load(plan_ptr + at, mask=valid, other=0.0) * v[None, :]
        plan /= tl.where(i < R, tl.sum(plan, 1), 1.0)[:, None]
        cost = tl.load(cost_ptr + at, mask=valid, other=0.0)
        spent += tl.sum(tl.sum(plan * cost, 1), 0)
        cols += tl.sum(plan, 0)
    missing = tl.where(inside, tl.maximum(1.0 - cols, 0.0), 0.0)
    tl.debug_barrier()
    return limit_of(spent, tl.sum(missing, 0))


@triton.jit
def _limit(cost_ptr, limit, R: tl.constexpr, RP: tl.constexpr,
           ROWS: tl.constexpr):
    """Clamp the costs; returns their mean, which is the first temperature."""
    mean = 0.0
    for start in range(0, R, ROWS):
        i, at, valid = block(start, R, RP, ROWS)
        cost = tl.load(cost_ptr + at, mask=valid, other=0.0)
        cost = tl.minimum(cost, limit)
        mean += tl.sum(tl.sum(cost, 1) / R, 0) / R
        tl.store(cost_ptr + at, cost, mask=valid)
    tl.debug_barrier()
    return tl.maximum(mean, 1.0)


@triton.jit
def clip(score_ptr, cost_ptr, plan_ptr, u_ptr, row_stride, col_stride, scale,
         R: tl.constexpr, RP: tl.constexpr, ROWS: tl.constexpr):
    """Write reduced, clipped costs; see `_clipping.py`.

    Returns the first temperature, and NaN if one of the costs is.
    """
    least, poison = _distances(score_ptr, cost_ptr, row_stride, col_stride,
                               scale, R, RP, ROWS)
    highest = _reduce(cost_ptr, least, R, RP, ROWS)
    threshold = threshold_of(highest)
    ceiling, floor = _gap(cost_ptr, highest, threshold, R, RP, ROWS)
    level = level_of(highest, floor, ceiling, R)
    middle = threshold_of(lowered(highest, threshold, floor, level))
    cols = _close_gap(cost_ptr, plan_ptr, u_ptr, threshold, floor, level,
                      middle, R, RP, ROWS)
    limit = _feasible_limit(cost_ptr, plan_ptr, u_ptr, cols, R, RP, ROWS)
    return _limit(cost_ptr, limit, R, RP, ROWS), poison
