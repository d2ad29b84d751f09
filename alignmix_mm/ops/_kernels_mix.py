"""Triton kernels around the plan: its scores, the mix, and its gradient.

`gram_kernel` and `mix_kernel` run one program for each pair and some blocks of
channels, so even a few pairs occupy a whole GPU. The partner of sample i is
y[perm[i]], read in place. Maps are dense: (channels, R) each, or (R, channels)
if CHANNELS_LAST.
"""
import triton
import triton.language as tl

from . import cost

FEATURE_LIMIT = tl.constexpr(cost.FEATURE_LIMIT)


@triton.jit
def _pair(x_ptr, y_ptr, perm_ptr, y_batch, channels, R: tl.constexpr,
          SWAP: tl.constexpr):
    """Anchor and partner of this program, and whether the partner exists.

    If it does not, the first map of `y_ptr` is read instead.
    """
    pair = tl.program_id(0).to(tl.int64)
    index = tl.load(perm_ptr + pair)
    exists = (index >= 0) & (index < y_batch)
    x_ptr += pair * channels * R
    y_ptr += tl.where(exists, index, 0) * channels * R
    if SWAP:
        return y_ptr, x_ptr, exists
    else:
        return x_ptr, y_ptr, exists


@triton.jit
def _offsets(channel, channels, R: tl.constexpr, RP: tl.constexpr,
             CHANNELS_LAST: tl.constexpr):
    """Offsets of a block of channels, (channels, RP), and which exist."""
    i = tl.arange(0, RP)
    valid = (channel < channels)[:, None] & (i < R)[None, :]
    if CHANNELS_LAST:
        return channel[:, None] + i[None, :] * channels, valid
    else:
        return channel[:, None] * R + i[None, :], valid


@triton.jit
def _bounded(x):
    """Clamp x so that squares do not overflow. NaN stays NaN."""
    x = tl.where(x > FEATURE_LIMIT, FEATURE_LIMIT, x)
    return tl.where(x < -FEATURE_LIMIT, -FEATURE_LIMIT, x)


@triton.jit
def gram_kernel(x_ptr, y_ptr, perm_ptr, part_ptr, y_batch, channels, blocks,
                SWAP: tl.constexpr, CHANNELS_LAST: tl.constexpr,
                R: tl.constexpr, RP: tl.constexpr, BLOCK: tl.constexpr):
    """Centred products of some blocks of channels, (splits, B, R, R)."""
    a_ptr, b_ptr, _ = _pair(x_ptr, y_ptr, perm_ptr, y_batch, channels, R, SWAP)
    scores = tl.zeros((RP, RP), tl.float32)
    first = tl.program_id(1) * blocks * BLOCK
    for start in range(first, first + blocks * BLOCK, BLOCK):
        offsets, valid = _offsets(start + tl.arange(0, BLOCK), channels, R, RP,
                                  CHANNELS_LAST)
        a = _bounded(tl.load(a_ptr + offsets, valid, 0.0).to(tl.float32))
        b = _bounded(tl.load(b_ptr + offsets, valid, 0.0).to(tl.float32))
        center = tl.sum(b, 1)[:, None] / R  # see cross_cost
        scores = tl.dot(tl.trans(a - center), b - center, scores,
                        input_precision='tf32x3')
    part = tl.program_id(1).to(tl.int64) * tl.num_programs(0)
    part_ptr += (part + tl.program_id(0)) * R * R
    i = tl.arange(0, RP)
    tl.store(part_ptr + i[:, None] * R + i[None, :], scores,
             mask=(i < R)[:, None] & (i < R)[None, :])


@triton.jit
def mix_kernel(x_ptr, y_ptr, lam_ptr, perm_ptr, plan_ptr, out_ptr, y_batch,
               channels, SWAP: tl.constexpr, CHANNELS_LAST: tl.constexpr,
               R: tl.constexpr, RP: tl.constexpr, BLOCK: tl.constexpr):
    """``lam * a + (1 - lam) * b @ plan.T`` of one block of channels."""
    pair = tl.program_id(0).to(tl.int64)
    a_ptr, b_ptr, exists = _pair(x_ptr, y_ptr, perm_ptr, y_batch, channels, R,
                                 SWAP)
    lam = tl.load(lam_ptr + pair)
    lam = tl.where(exists, lam, float('nan'))  # no partner: visible as NaN
    i = tl.arange(0, RP)
    transposed = tl.load(plan_ptr + pair * R * R + i[None, :] * R + i[:, None],
                         mask=(i < R)[:, None] & (i < R)[None, :], other=0.0)
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    offsets, valid = _offsets(channel, channels, R, RP, CHANNELS_LAST)
    a = tl.load(a_ptr + offsets, mask=valid, other=0.0).to(tl.float32)
    b = tl.load(b_ptr + offsets, mask=valid, other=0.0).to(tl.float32)
    mixed = tl.dot(b, transposed * (1.0 - lam), lam * a,
                   input_precision='tf32x3')
    tl.store(out_ptr + pair * channels * R + offsets,
             mixed.to(out_ptr.dtype.element_ty), mask=valid)


@triton.jit
def collect_kernel(grad_ptr, perm_ptr, out_ptr, batch, size, BATCH:
                   tl.constexpr, BLOCK: tl.constexpr):
    """For each partner, sum the gradients of the samples that contain it.

    There is one such sample if perm is a permutation, else any number; only
    the device knows how many. There are no atomic additions, so results are
    reproducible.
    """
    target = tl.program_id(0).to(tl.int64)
    sample = tl.arange(0, BATCH)
    perm = tl.load(perm_ptr + sample, mask=sample < batch, other=-1)
    mine = perm == target
    offsets = tl.program_id(1).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK, ), tl.float32)
    last = -1
    for _ in range(tl.sum(mine.to(tl.int32), 0)):
        last = tl.min(tl.where(mine & (sample > last), sample, BATCH), 0)
        at = grad_ptr + last.to(tl.int64) * size + offsets
        total += tl.load(at, mask=offsets < size, other=0.0).to(tl.float32)
    tl.store(out_ptr + target * size + offsets,
             total.to(out_ptr.dtype.element_ty), mask=offsets < size)
