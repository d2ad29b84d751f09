"""Triton kernels of the annealed solver; `_annealed.py` is their reference.

Kernel 1, for up to 64 positions, keeps the whole problem of a pair in
registers; kernel 2, for up to 256, passes over it in blocks of rows. Tiles
are padded to powers of two: padded entries of the kernel ``K`` are zero, and
padded rows and columns are given the sum 1, so their scalings stay 1.

Scalings are kept as logarithms to the base 2: an update is then an addition
and one `exp2`.
"""
import math
import os

import triton
import triton.language as tl

from . import _annealed, cost

PLAIN_TAIL = tl.constexpr(_annealed.PLAIN_TAIL)
COLDEST = tl.constexpr(_annealed.COLDEST)
EXPONENT_FLOOR = tl.constexpr(_annealed.EXPONENT_FLOOR / math.log(2))
SCALE_MIN = tl.constexpr(math.log2(_annealed.SCALE_MIN))
SCALE_MAX = tl.constexpr(math.log2(_annealed.SCALE_MAX))
LN2 = tl.constexpr(math.log(2))
COMPILED = tl.constexpr(os.environ.get('TRITON_INTERPRET') != '1')
PAD = tl.constexpr(-1e30)  # finite: the difference of two is not NaN
TINY = tl.constexpr(2.0**-126)
FEATURE_LIMIT = tl.constexpr(cost.FEATURE_LIMIT)


@triton.jit
def log2(x):
    """Logarithm by the hardware, to 2^-22.

    Triton's own is software, more than half of the instructions of a sweep.
    The interpreter has no assembler.
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
def scaled_kernel(scores, shift, valid, temperature):
    """``exp((scores + shift) / temperature)``, the largest of a row 1."""
    reduced = tl.where(valid, scores + shift[None, :], PAD)
    reduced -= tl.max(reduced, 1)[:, None]
    exponent = tl.maximum(reduced / (LN2 * temperature), EXPONENT_FLOOR)
    return tl.where(valid, tl.exp2(exponent), 0.0)


@triton.jit
def _anneal(scores, R: tl.constexpr, RP: tl.constexpr, stages, stage_sweeps,
            final_sweeps, relaxation):
    """Plan of one pair, its row and column sums before the projection.

    scores: (RP, RP), float32.
    """
    inside = tl.arange(0, RP) < R
    valid = inside[:, None] & inside[None, :]
    scores = tl.where(valid, scores, PAD)
    distance = tl.max(scores, 1)[:, None] - scores
    shift = tl.min(tl.where(valid, distance, -PAD), 0)
    shift = tl.where(inside, shift, 0.0)
    reduced = tl.where(valid, scores + shift[None, :], PAD)
    gap = tl.where(valid, tl.max(reduced, 1)[:, None] - reduced, 0.0)
    hottest = tl.maximum(tl.sum(tl.sum(gap, 1), 0) / (R * R), 1.0)

    kernel = scores
    log_v = tl.zeros_like(shift)
    for stage in range(stages + 1):
        temperature = temperature_of(hottest, stage, stages)
        kernel = scaled_kernel(scores, shift, valid, temperature)
        log_u = -log2(tl.where(inside, tl.sum(kernel, 1), 1.0))
        log_v = tl.zeros_like(shift)
        for k in range(tl.where(stage < stages, stage_sweeps, final_sweeps)):
            w = relaxation_of(k, stage, stages, final_sweeps, relaxation)
            cols = tl.sum(kernel * tl.exp2(log_u)[:, None], 0)
            log_v = update(log_v, tl.where(inside, cols, 1.0), w)
            rows = tl.sum(kernel * tl.exp2(log_v)[None, :], 1)
            log_u = update(log_u, tl.where(inside, rows, 1.0), w)
        shift += temperature * LN2 * log_v

    plan = kernel * tl.exp2(log_v)[None, :]
    plan /= tl.where(inside, tl.sum(plan, 1), 1.0)[:, None]
    rows, cols = tl.sum(plan, 1), tl.sum(plan, 0)
    return _project(plan, cols, inside), rows, cols


@triton.jit
def _project(plan, cols, inside):
    """Round a plan with exact rows onto both marginals."""
    plan *= tl.minimum(1.0 / tl.where(inside, cols, 1.0), 1.0)[None, :]
    row_gap = tl.where(inside, tl.maximum(1.0 - tl.sum(plan, 1), 0.0), 0.0)
    col_gap = tl.where(inside, tl.maximum(1.0 - tl.sum(plan, 0), 0.0), 0.0)
    share = row_gap / tl.maximum(tl.sum(row_gap, 0), TINY)
    return plan + share[:, None] * col_gap[None, :]


@triton.jit
def _store_plan(plan_ptr, sums_ptr, pair, plan, rows, cols, R: tl.constexpr,
                RP: tl.constexpr):
    """Write (R, R) of the plan and its (2, R) sums."""
    i = tl.arange(0, RP)
    offsets = i[:, None] * R + i[None, :]
    valid = (i < R)[:, None] & (i < R)[None, :]
    tl.store(plan_ptr + pair * R * R + offsets, plan, mask=valid)
    tl.store(sums_ptr + pair * 2 * R + i, rows, mask=i < R)
    tl.store(sums_ptr + pair * 2 * R + R + i, cols, mask=i < R)


@triton.jit
def plan_kernel(cost_ptr, plan_ptr, sums_ptr, batch_stride, row_stride,
                col_stride, scale, stages, stage_sweeps, final_sweeps,
                relaxation, R: tl.constexpr, RP: tl.constexpr):
    """Kernel 1 from a cost matrix: one program for each pair."""
    pair = tl.program_id(0).to(tl.int64)
    i = tl.arange(0, RP)
    valid = (i < R)[:, None] & (i < R)[None, :]
    offsets = i[:, None] * row_stride + i[None, :] * col_stride
    cost = tl.load(cost_ptr + pair * batch_stride + offsets, mask=valid,
                   other=0.0)
    plan, rows, cols = _anneal(cost.to(tl.float32) * scale, R, RP, stages,
                               stage_sweeps, final_sweeps, relaxation)
    _store_plan(plan_ptr, sums_ptr, pair, plan, rows, cols, R, RP)


@triton.jit
def _load(ptr, channel, channels, channel_stride, position_stride,
          R: tl.constexpr, RP: tl.constexpr):
    """A block of channels of one map, (channels, RP), float32."""
    i = tl.arange(0, RP)
    offsets = channel[:, None] * channel_stride + i[None, :] * position_stride
    valid = (channel < channels)[:, None] & (i < R)[None, :]
    return tl.load(ptr + offsets, mask=valid, other=0.0).to(tl.float32)


@triton.jit
def _bounded(x):
    """Such that squares do not overflow. NaN stays NaN."""
    x = tl.where(x > FEATURE_LIMIT, FEATURE_LIMIT, x)
    return tl.where(x < -FEATURE_LIMIT, -FEATURE_LIMIT, x)


@triton.jit
def mix_kernel(x_ptr, y_ptr, lam_ptr, perm_ptr, out_ptr, plan_ptr, sums_ptr,
               y_batch, channels, x_bs, x_cs, x_ps, y_bs, y_cs, y_ps, out_bs,
               out_cs, out_ps, lam_stride, scale, stages, stage_sweeps,
               final_sweeps, relaxation, SWAP: tl.constexpr, R: tl.constexpr,
               RP: tl.constexpr, BLOCK: tl.constexpr):
    """Kernel 1 from feature maps: plan, alignment, interpolation.

    The pair of sample i is x[i] and y[perm[i]]; the second of them is the
    anchor if SWAP. Strides: of the batch, the channels, the positions.
    """
    pair = tl.program_id(0).to(tl.int64)
    lam = tl.load(lam_ptr + pair * lam_stride)
    index = tl.load(perm_ptr + pair)
    exists = (index >= 0) & (index < y_batch)
    lam = tl.where(exists, lam, float('nan'))  # no sample: visible, no fault
    x_ptr += pair * x_bs
    y_ptr += tl.where(exists, index, 0) * y_bs
    out_ptr += pair * out_bs
    if SWAP:
        a_ptr, a_cs, a_ps, b_ptr, b_cs, b_ps = (
            y_ptr, y_cs, y_ps, x_ptr, x_cs, x_ps)
    else:
        a_ptr, a_cs, a_ps, b_ptr, b_cs, b_ps = (
            x_ptr, x_cs, x_ps, y_ptr, y_cs, y_ps)

    i = tl.arange(0, RP)
    scores = tl.zeros((RP, RP), tl.float32)
    for start in range(0, channels, BLOCK):
        c = start + tl.arange(0, BLOCK)
        a = _bounded(_load(a_ptr, c, channels, a_cs, a_ps, R, RP))
        b = _bounded(_load(b_ptr, c, channels, b_cs, b_ps, R, RP))
        center = tl.sum(b, 1)[:, None] / R  # see cross_cost
        a -= center
        b -= center
        scores = tl.dot(tl.trans(a), b, scores, input_precision='tf32x3')
    plan, rows, cols = _anneal(scores * scale, R, RP, stages, stage_sweeps,
                               final_sweeps, relaxation)
    _store_plan(plan_ptr, sums_ptr, pair, plan, rows, cols, R, RP)

    weighted = tl.trans(plan * (1.0 - lam))
    for start in range(0, channels, BLOCK):
        c = start + tl.arange(0, BLOCK)
        a = _load(a_ptr, c, channels, a_cs, a_ps, R, RP)
        b = _load(b_ptr, c, channels, b_cs, b_ps, R, RP)
        mixed = tl.dot(b, weighted, lam * a, input_precision='tf32x3')
        offsets = c[:, None] * out_cs + i[None, :] * out_ps
        tl.store(out_ptr + offsets, mixed.to(out_ptr.dtype.element_ty),
                 mask=(c < channels)[:, None] & (i < R)[None, :])
