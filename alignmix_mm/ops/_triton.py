"""Launchers of the Triton kernels, registered as torch operators.

Registered operators are opaque to `torch.compile`, which then traces through
the model around them, and what is saved for the backward pass is the plan
alone. Import this module only where :func:`supports` agrees.
"""
import contextlib

import torch
import triton
from torch import Tensor

from ._annealed import annealed_sinkhorn, make_schedule
from ._dispatch import FUSED_POSITIONS
from ._kernels import mix_kernel, plan_kernel
from ._kernels_large import large_plan_kernel
from ._precision import full_precision
from .cost import cross_cost

# Warps of a program, by the size of its tile: few, because they exchange the
# sums of every sweep, but enough that nothing spills: see
# benchmarks/kernel_resources.py.
WARPS = {16: 1, 32: 2, 64: 8, 128: 8, 256: 8}
CHANNELS = 32  # of a block of kernel 1
ROWS = 32  # of a block of kernel 2
FUSION = dict(enable_fp_fusion=True)  # Triton is about to change its default


@torch.library.custom_op(
    'alignmix_mm::annealed_plan', mutates_args=(),
    schema='(Tensor cost, float eps, int? num_iters) -> (Tensor, Tensor)')
def annealed_plan(cost: Tensor, eps: float,
                  num_iters: int | None) -> tuple[Tensor, Tensor]:
    """Assignments of cost matrices.

    Args:
        cost (Tensor): ``(B, r, r)``, floating point.
        eps (float): Entropic regularization.
        num_iters (int, optional): Sweeps of the last stage.

    Returns:
        tuple[Tensor, Tensor]: Assignments ``(B, r, r)``, and row and column
        sums before the projection, ``(B, 2, r)``; float32.
    """
    batch, r = cost.shape[:2]
    plan, sums = _allocate(cost, batch, r)
    tile = tile_of(r)
    arguments = (cost, plan, sums, *cost.stride(), -1 / eps,
                 *make_schedule(r, r, num_iters))
    with _current(cost.device):
        if r <= FUSED_POSITIONS:
            plan_kernel[(batch, )](
                *arguments, R=r, RP=tile, num_warps=WARPS[tile], **FUSION)
        else:
            large_plan_kernel[(batch, )](
                *arguments, R=r, RP=tile, ROWS=ROWS, num_warps=WARPS[tile],
                num_stages=1, **FUSION)
    return plan, sums


@annealed_plan.register_fake
def _(cost, eps, num_iters):
    return _allocate(cost, *cost.shape[:2])


@torch.library.custom_op(
    'alignmix_mm::align_and_mix', mutates_args=(),
    schema='(Tensor x, Tensor y, Tensor lam, Tensor perm, bool swap, '
    'float eps, int? num_iters) -> (Tensor, Tensor, Tensor)')
def fused_mix(x: Tensor, y: Tensor, lam: Tensor, perm: Tensor, swap: bool,
              eps: float,
              num_iters: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """Plan, alignment and interpolation in one kernel, up to 64 positions.

    Args:
        x (Tensor): First maps, ``(B, c, r)``, any strides.
        y (Tensor): Second maps, ``(B', c, r)``, of the same dtype; that of
            sample ``i`` is ``y[perm[i]]``. It is not copied.
        lam (Tensor): Weight of the anchors, ``(B, )``, float32.
        perm (Tensor): ``(B, )``, int64, contiguous.
        swap (bool): Whether the second map is the anchor.
        eps (float): Entropic regularization.
        num_iters (int, optional): Sweeps of the last stage.

    Returns:
        tuple[Tensor, Tensor, Tensor]: Mixed maps, like ``x``; assignments
        ``(B, r, r)`` and sums ``(B, 2, r)`` as of :func:`annealed_plan`.
    """
    batch, channels, r = x.shape
    mixed = torch.empty_like(x)
    plan, sums = _allocate(x, batch, r)
    tile = tile_of(r)
    with _current(x.device):
        mix_kernel[(batch, )](
            x, y, lam, perm, mixed, plan, sums, len(y), channels,
            *x.stride(), *y.stride(), *mixed.stride(), lam.stride(0), 2 / eps,
            *make_schedule(r, r, num_iters), SWAP=swap, R=r, RP=tile,
            BLOCK=CHANNELS, num_warps=WARPS[tile], **FUSION)
    return mixed, plan, sums


@fused_mix.register_fake
def _(x, y, lam, perm, swap, eps, num_iters):
    return torch.empty_like(x), *_allocate(x, len(x), x.shape[2])


def _save(ctx, inputs: tuple, output: tuple) -> None:
    _, y, lam, perm, ctx.swap, _, _ = inputs
    _, plan, sums = output
    ctx.y_batch = len(y)
    ctx.mark_non_differentiable(plan, sums)
    ctx.save_for_backward(lam, perm, plan)


def _backward(ctx, grad: Tensor, *_) -> tuple[Tensor | None, ...]:
    """Gradients of the maps; none flows through the plan."""
    lam, perm, plan = ctx.saved_tensors
    lam = lam.view(-1, 1, 1)
    with full_precision(grad.device):
        full = grad.float()
        anchor = (lam * full).to(grad.dtype)
        partner = torch.bmm(full, (1 - lam) * plan).to(grad.dtype)
    first, second = (partner, anchor) if ctx.swap else (anchor, partner)
    scattered = second.new_zeros(ctx.y_batch, *second.shape[1:])
    scattered.index_add_(0, perm, second)
    return first, scattered, *[None] * 5


fused_mix.register_autograd(_backward, setup_context=_save)


def self_check(device: torch.device) -> None:
    """Compare every kernel with plain torch on small problems.

    It runs once for each device, before the kernels are used.

    Args:
        device (torch.device): Where.

    Raises:
        RuntimeError: If they differ.
    """
    lam, perm = torch.full((2, ), .3), torch.tensor([1, 0])
    for r in (FUSED_POSITIONS // 4, FUSED_POSITIONS + 1):
        # a chirp: no two features alike, and nobody's random state is touched
        chirp = torch.arange(2 * 2 * 8 * r).square().div(10).sin()
        x, y = chirp.view(2, 2, 8, r)
        cost = cross_cost(x, y[perm])
        expected, *_ = annealed_sinkhorn(cost / -.1)
        pairs = [(annealed_plan(cost.to(device), .1, None)[0], expected)]
        if r <= FUSED_POSITIONS:
            mixed, plan, _ = fused_mix(
                *(tensor.to(device) for tensor in (x, y, lam, perm)), False,
                .1, None)
            aligned = torch.bmm(y[perm], expected.mT)
            pairs += [(plan, expected), (mixed, torch.lerp(aligned, x, .3))]
        for result, reference in pairs:
            if not torch.allclose(result.to('cpu'), reference, atol=1e-3):
                raise RuntimeError(f'wrong results for {r} positions')


def _allocate(like: Tensor, batch: int, r: int) -> tuple[Tensor, Tensor]:
    """Memory of plans and sums."""
    return (like.new_empty(batch, r, r, dtype=torch.float32),
            like.new_empty(batch, 2, r, dtype=torch.float32))


def tile_of(r: int) -> int:
    """Positions of a tile; products need at least 16."""
    return max(16, triton.next_power_of_2(r))


def _current(device: torch.device) -> contextlib.AbstractContextManager:
    """Triton launches on the current device."""
    if device.type == 'cuda':
        return torch.cuda.device(device)
    return contextlib.nullcontext()
