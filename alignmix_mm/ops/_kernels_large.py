"""Kernel 2: the annealed solver for maps that do not fit into registers.

One program for each pair passes over its matrix in blocks of rows, once for
each sweep: a block's row sums are complete, so its scalings ``u`` are updated
at once and the same registers give its part of the column sums. The plan's
own memory holds the kernel ``K`` until the end, and that of the row sums the
scalings ``u``, so nothing but the results is allocated.
"""
import triton
import triton.language as tl

from ._kernels import (
    LN2,
    PAD,
    TINY,
    log2,
    relaxation_of,
    scaled_kernel,
    temperature_of,
    update,
)


@triton.jit
def _block(start, R: tl.constexpr, RP: tl.constexpr, ROWS: tl.constexpr):
    """Rows of a block, columns, and which entries exist."""
    i = start + tl.arange(0, ROWS)
    j = tl.arange(0, RP)
    return i, j, (i < R)[:, None] & (j < R)[None, :]


@triton.jit
def _scores(cost_ptr, i, j, valid, row_stride, col_stride, scale):
    offsets = i[:, None] * row_stride + j[None, :] * col_stride
    cost = tl.load(cost_ptr + offsets, mask=valid, other=0.0)
    return tl.where(valid, cost.to(tl.float32) * scale, PAD)


@triton.jit
def _first_potential(cost_ptr, row_stride, col_stride, scale, R: tl.constexpr,
                     RP: tl.constexpr, ROWS: tl.constexpr):
    """Potential of the columns, (RP, ), and the first temperature."""
    inside = tl.arange(0, RP) < R
    shift = tl.full((RP, ), -PAD, tl.float32)
    for start in range(0, R, ROWS):
        i, j, valid = _block(start, R, RP, ROWS)
        scores = _scores(cost_ptr, i, j, valid, row_stride, col_stride, scale)
        distance = tl.max(scores, 1)[:, None] - scores
        shift = tl.minimum(
            shift, tl.min(tl.where(valid, distance, -PAD), 0))
    shift = tl.where(inside, shift, 0.0)
    total = 0.0
    for start in range(0, R, ROWS):
        i, j, valid = _block(start, R, RP, ROWS)
        scores = _scores(cost_ptr, i, j, valid, row_stride, col_stride, scale)
        reduced = tl.where(valid, scores + shift[None, :], PAD)
        gap = tl.where(valid, tl.max(reduced, 1)[:, None] - reduced, 0.0)
        total += tl.sum(tl.sum(gap, 1), 0)
    return shift, tl.maximum(total / (R * R), 1.0)


@triton.jit
def _build(cost_ptr, plan_ptr, u_ptr, shift, temperature, row_stride,
           col_stride, scale, R: tl.constexpr, RP: tl.constexpr,
           ROWS: tl.constexpr):
    """Write K of a stage and u = 1 / (K 1); returns the sums K^T u."""
    cols = tl.zeros((RP, ), tl.float32)
    for start in range(0, R, ROWS):
        i, j, valid = _block(start, R, RP, ROWS)
        scores = _scores(cost_ptr, i, j, valid, row_stride, col_stride, scale)
        kernel = scaled_kernel(scores, shift, valid, temperature)
        log_u = -log2(tl.where(i < R, tl.sum(kernel, 1), 1.0))
        cols += tl.sum(kernel * tl.exp2(log_u)[:, None], 0)
        tl.store(plan_ptr + i[:, None] * R + j[None, :], kernel, mask=valid)
        tl.store(u_ptr + i, log_u, mask=i < R)
    tl.debug_barrier()  # other threads read what these wrote
    return cols


@triton.jit
def _sweep_rows(plan_ptr, u_ptr, log_v, w, R: tl.constexpr, RP: tl.constexpr,
                ROWS: tl.constexpr):
    """Update u of all rows; returns the sums K^T u."""
    cols = tl.zeros((RP, ), tl.float32)
    v = tl.exp2(log_v)
    for start in range(0, R, ROWS):
        i, j, valid = _block(start, R, RP, ROWS)
        kernel = tl.load(plan_ptr + i[:, None] * R + j[None, :], mask=valid,
                         other=0.0)
        log_u = tl.load(u_ptr + i, mask=i < R, other=0.0)
        tl.debug_barrier()  # several threads read what one will overwrite
        rows = tl.sum(kernel * v[None, :], 1)
        log_u = update(log_u, tl.where(i < R, rows, 1.0), w)
        cols += tl.sum(kernel * tl.exp2(log_u)[:, None], 0)
        tl.store(u_ptr + i, log_u, mask=i < R)
    tl.debug_barrier()
    return cols


@triton.jit
def _normalize_rows(plan_ptr, sums_ptr, log_v, R: tl.constexpr,
                    RP: tl.constexpr, ROWS: tl.constexpr):
    """Turn K into a plan with exact rows; returns its column sums."""
    cols = tl.zeros((RP, ), tl.float32)
    v = tl.exp2(log_v)
    for start in range(0, R, ROWS):
        i, j, valid = _block(start, R, RP, ROWS)
        at = plan_ptr + i[:, None] * R + j[None, :]
        plan = tl.load(at, mask=valid, other=0.0) * v[None, :]
        plan /= tl.where(i < R, tl.sum(plan, 1), 1.0)[:, None]
        cols += tl.sum(plan, 0)
        tl.store(at, plan, mask=valid)
        tl.store(sums_ptr + i, tl.sum(plan, 1), mask=i < R)
    tl.store(sums_ptr + R + tl.arange(0, RP), cols,
             mask=tl.arange(0, RP) < R)
    tl.debug_barrier()
    return cols


@triton.jit
def _project_rows(plan_ptr, cols, R: tl.constexpr, RP: tl.constexpr,
                  ROWS: tl.constexpr):
    """Round the plan onto both marginals."""
    inside = tl.arange(0, RP) < R
    shrink = tl.minimum(1.0 / tl.where(inside, cols, 1.0), 1.0)
    left = tl.zeros((RP, ), tl.float32)
    missing = 0.0
    for start in range(0, R, ROWS):
        i, j, valid = _block(start, R, RP, ROWS)
        at = plan_ptr + i[:, None] * R + j[None, :]
        plan = tl.load(at, mask=valid, other=0.0) * shrink[None, :]
        gap = tl.maximum(1.0 - tl.sum(plan, 1), 0.0)
        missing += tl.sum(tl.where(i < R, gap, 0.0), 0)
        left += tl.sum(plan, 0)
        tl.store(at, plan, mask=valid)
    tl.debug_barrier()
    col_gap = tl.maximum(1.0 - left, 0.0) / tl.maximum(missing, TINY)
    for start in range(0, R, ROWS):
        i, j, valid = _block(start, R, RP, ROWS)
        at = plan_ptr + i[:, None] * R + j[None, :]
        plan = tl.load(at, mask=valid, other=0.0)
        gap = tl.maximum(1.0 - tl.sum(plan, 1), 0.0)
        tl.store(at, plan + gap[:, None] * col_gap[None, :], mask=valid)


@triton.jit
def large_plan_kernel(cost_ptr, plan_ptr, sums_ptr, batch_stride, row_stride,
                      col_stride, scale, stages, stage_sweeps, final_sweeps,
                      relaxation, R: tl.constexpr, RP: tl.constexpr,
                      ROWS: tl.constexpr):
    """Kernel 2 from a cost matrix: one program for each pair."""
    pair = tl.program_id(0).to(tl.int64)
    cost_ptr += pair * batch_stride
    plan_ptr += pair * R * R
    sums_ptr += pair * 2 * R
    inside = tl.arange(0, RP) < R
    shift, hottest = _first_potential(cost_ptr, row_stride, col_stride, scale,
                                      R, RP, ROWS)
    log_v = tl.zeros_like(shift)
    for stage in range(stages + 1):
        temperature = temperature_of(hottest, stage, stages)
        cols = _build(cost_ptr, plan_ptr, sums_ptr, shift, temperature,
                      row_stride, col_stride, scale, R, RP, ROWS)
        log_v = tl.zeros_like(shift)
        for k in range(tl.where(stage < stages, stage_sweeps, final_sweeps)):
            w = relaxation_of(k, stage, stages, final_sweeps, relaxation)
            log_v = update(log_v, tl.where(inside, cols, 1.0), w)
            cols = _sweep_rows(plan_ptr, sums_ptr, log_v, w, R, RP, ROWS)
        shift += temperature * LN2 * log_v
    cols = _normalize_rows(plan_ptr, sums_ptr, log_v, R, RP, ROWS)
    _project_rows(plan_ptr, cols, R, RP, ROWS)
