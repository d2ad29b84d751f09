"""The annealed solver for maps that do not fit into registers.

One program for each pair passes over its matrix in blocks of rows, once for
each sweep: a block's row sums are complete, so its scalings ``u`` are updated
at once, and the same registers give its part of the column sums. Until the
end, the memory of the plan holds the kernel ``K`` and the memory of the row
sums the scalings ``u``. The clipped costs have separate memory.
"""
import triton
import triton.language as tl

from ._kernels import (
    LN2,
    TINY,
    recentered,
    relaxation_of,
    scaled_kernel,
    temperature_of,
    update,
)
from ._kernels_rows import block, clip, put, sweep_rows


@triton.jit
def _build(cost_ptr, plan_ptr, u_ptr, shift, temperature, R: tl.constexpr,
           RP: tl.constexpr, ROWS: tl.constexpr):
    """Write K of a stage and u; returns the sums K^T u."""
    cols = tl.zeros((RP, ), tl.float32)
    for start in range(0, R, ROWS):
        i, at, valid = block(start, R, RP, ROWS)
        cost = tl.load(cost_ptr + at, mask=valid, other=0.0)
        kernel = scaled_kernel(cost, shift, valid, temperature)
        cols += put(plan_ptr, u_ptr, kernel, i, at, valid, R)
    tl.debug_barrier()
    return cols


@triton.jit
def _normalize_rows(plan_ptr, sums_ptr, log_v, poison, R: tl.constexpr,
                    RP: tl.constexpr, ROWS: tl.constexpr):
    """Turn K into a plan with exact row sums; returns its column sums."""
    cols = tl.zeros((RP, ), tl.float32)
    v = tl.exp2(log_v)
    for start in range(0, R, ROWS):
        i, at, valid = block(start, R, RP, ROWS)
        plan = tl.load(plan_ptr + at, mask=valid, other=0.0) * v[None, :]
        plan /= tl.where(i < R, tl.sum(plan, 1), 1.0)[:, None]
        plan += poison
        cols += tl.sum(plan, 0)
        tl.store(plan_ptr + at, plan, mask=valid)
        tl.store(sums_ptr + i, tl.sum(plan, 1), mask=i < R)
    tl.store(sums_ptr + R + tl.arange(0, RP), cols,
             mask=tl.arange(0, RP) < R)
    tl.debug_barrier()
    return cols


@triton.jit
def _project_rows(plan_ptr, cols, poison, R: tl.constexpr,
                  RP: tl.constexpr, ROWS: tl.constexpr):
    """Project the plan onto both marginals."""
    inside = tl.arange(0, RP) < R
    shrink = tl.minimum(1.0 / tl.where(inside, cols, 1.0), 1.0)
    left = tl.zeros((RP, ), tl.float32)
    missing = 0.0
    for start in range(0, R, ROWS):
        i, at, valid = block(start, R, RP, ROWS)
        plan = tl.load(plan_ptr + at, mask=valid, other=0.0) * shrink[None, :]
        gap = tl.maximum(1.0 - tl.sum(plan, 1), 0.0)
        missing += tl.sum(tl.where(i < R, gap, 0.0), 0)
        left += tl.sum(plan, 0)
        tl.store(plan_ptr + at, plan, mask=valid)
    tl.debug_barrier()
    col_gap = tl.maximum(1.0 - left, 0.0) / tl.maximum(missing, TINY)
    for start in range(0, R, ROWS):
        i, at, valid = block(start, R, RP, ROWS)
        plan = tl.load(plan_ptr + at, mask=valid, other=0.0)
        gap = tl.maximum(1.0 - tl.sum(plan, 1), 0.0)
        plan += gap[:, None] * col_gap[None, :] + poison
        tl.store(plan_ptr + at, plan, mask=valid)


@triton.jit
def large_plan_kernel(score_ptr, cost_ptr, plan_ptr, sums_ptr, batch_stride,
                      row_stride, col_stride, scale, stages, stage_sweeps,
                      final_sweeps, relaxation, R: tl.constexpr,
                      RP: tl.constexpr, ROWS: tl.constexpr):
    """One program for each pair; `cost_ptr` has room for (R, R) per pair."""
    pair = tl.program_id(0).to(tl.int64)
    score_ptr += pair * batch_stride
    cost_ptr += pair * R * R
    plan_ptr += pair * R * R
    sums_ptr += pair * 2 * R
    inside = tl.arange(0, RP) < R
    hottest, poison = clip(score_ptr, cost_ptr, plan_ptr, sums_ptr,
                           row_stride, col_stride, scale, R, RP, ROWS)
    shift = tl.zeros((RP, ), tl.float32)
    log_v = shift
    for stage in range(stages + 1):
        temperature = temperature_of(hottest, stage, stages)
        cols = _build(cost_ptr, plan_ptr, sums_ptr, shift, temperature, R, RP,
                      ROWS)
        log_v = tl.zeros_like(shift)
        for k in range(tl.where(stage < stages, stage_sweeps, final_sweeps)):
            w = relaxation_of(k, stage, stages, final_sweeps, relaxation)
            log_v = update(log_v, tl.where(inside, cols, 1.0), w)
            cols = sweep_rows(plan_ptr, sums_ptr, log_v, w, R, RP, ROWS)
        shift = recentered(shift + temperature * LN2 * log_v, inside)
    cols = _normalize_rows(plan_ptr, sums_ptr, log_v, poison, R, RP, ROWS)
    _project_rows(plan_ptr, cols, poison, R, RP, ROWS)
