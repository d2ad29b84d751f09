"""Launchers of the Triton kernels, registered as torch operators.

`torch.compile` does not look inside registered operators and traces through
the model around them. For the backward pass only the plan, the weights and the
permutation are saved, no map. Import this module only if :func:`supports`
agrees.
"""
import torch
import triton
from torch import Tensor

from ._annealed import make_schedule
from ._dispatch import FUSED_POSITIONS
from ._kernels import plan_kernel
from ._kernels_large import large_plan_kernel
from ._kernels_mix import collect_kernel, gram_kernel, mix_kernel
from ._launch import (
    COLLECT_BLOCK,
    FUSION,
    GRAM_BLOCK,
    GRAM_BLOCKS,
    PRODUCT_WARPS,
    ROWS,
    WARPS,
    capability,
    current,
    mix_block,
    tile_of,
)
from ._precision import full_precision


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
    with current(cost.device):
        if r <= FUSED_POSITIONS:
            return _plan(cost.unsqueeze(0), -1 / eps, num_iters)
        plan, sums = _allocate(cost, batch, r)
        tile = tile_of(r)
        large_plan_kernel[(batch, )](
            cost, torch.empty_like(plan), plan, sums, *cost.stride(), -1 / eps,
            *make_schedule(r, r, num_iters), R=r, RP=tile, ROWS=ROWS,
            num_warps=WARPS[tile], num_stages=1, **FUSION)
    return plan, sums


@annealed_plan.register_fake
def _(cost, eps, num_iters):
    return _allocate(cost, *cost.shape[:2])


def _plan(parts: Tensor, scale: float,
          num_iters: int | None) -> tuple[Tensor, Tensor]:
    """Plans and sums of the scores ``scale * parts.sum(0)``, (B, r, r)."""
    splits, batch, r = parts.shape[:3]
    plan, sums = _allocate(parts, batch, r)
    tile = tile_of(r)
    plan_kernel[(batch, )](
        parts, plan, sums, splits, *parts.stride(), scale,
        *make_schedule(r, r, num_iters), R=r, RP=tile, num_warps=WARPS[tile],
        **FUSION)
    return plan, sums


@torch.library.custom_op(
    'alignmix_mm::align_and_mix', mutates_args=(),
    schema='(Tensor x, Tensor y, Tensor lam, Tensor perm, bool swap, '
    'float eps, int? num_iters) -> (Tensor, Tensor, Tensor)')
def fused_mix(x: Tensor, y: Tensor, lam: Tensor, perm: Tensor, swap: bool,
              eps: float,
              num_iters: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """Plan, alignment and interpolation, up to 64 positions.

    Args:
        x (Tensor): First maps, ``(B, c, r)``, float16, bfloat16 or float32.
            Dense maps are read in place, also with channels last.
        y (Tensor): Second maps, ``(B', c, r)``, of the same dtype; that of
            sample ``i`` is ``y[perm[i]]``, read without a gathered copy.
        lam (Tensor): Weight of the anchors, ``(B, )``, float32, contiguous.
        perm (Tensor): ``(B, )``, int64, contiguous.
        swap (bool): Whether the second map is the anchor.
        eps (float): Entropic regularization.
        num_iters (int, optional): Sweeps of the last stage.

    Returns:
        tuple[Tensor, Tensor, Tensor]: Mixed maps, like ``x``; assignments
        ``(B, r, r)`` and sums ``(B, 2, r)``, see :func:`annealed_plan`.
    """
    batch, channels, r = x.shape
    mixed, channels_last = _mixed(x), _channels_last(x)
    x, y = _dense(x, channels_last), _dense(y, channels_last)
    blocks = triton.cdiv(channels, GRAM_BLOCK)
    splits = triton.cdiv(blocks, GRAM_BLOCKS)
    tile = tile_of(r)
    common = dict(SWAP=swap, CHANNELS_LAST=channels_last, R=r, RP=tile,
                  num_warps=PRODUCT_WARPS[tile], **FUSION)
    with current(x.device):
        parts = x.new_empty(splits, batch, r, r, dtype=torch.float32)
        gram_kernel[(batch, splits)](
            x, y, perm, parts, len(y), channels, triton.cdiv(blocks, splits),
            BLOCK=GRAM_BLOCK, **common)
        plan, sums = _plan(parts, 2 / eps, num_iters)
        block = mix_block(tile, capability(x.device))
        mix_kernel[(batch, triton.cdiv(channels, block))](
            x, y, lam, perm, plan, mixed, len(y), channels, BLOCK=block,
            **common)
    return mixed, plan, sums


@fused_mix.register_fake
def _(x, y, lam, perm, swap, eps, num_iters):
    return _mixed(x), *_allocate(x, len(x), x.shape[2])


@torch.library.custom_op(
    'alignmix_mm::collect', mutates_args=(),
    schema='(Tensor grad, Tensor perm, int count) -> Tensor')
def collect(grad: Tensor, perm: Tensor, count: int) -> Tensor:
    """Sum gradients by partner; ``perm`` may repeat partners.

    Args:
        grad (Tensor): ``(B, c, r)``, floating point.
        perm (Tensor): ``(B, )``, int64, contiguous.
        count (int): Number of partners, ``B'``.

    Returns:
        Tensor: ``(B', c, r)``, in the dtype of ``grad``; entry ``j`` is the
        sum over all ``i`` with ``perm[i] = j``.
    """
    grad = grad.contiguous()
    total = grad.new_empty(count, *grad.shape[1:])
    size = total.shape[1:].numel()
    with current(grad.device):
        collect_kernel[(count, triton.cdiv(size, COLLECT_BLOCK))](
            grad, perm, total, len(grad), size, BLOCK=COLLECT_BLOCK,
            BATCH=triton.next_power_of_2(max(1, len(grad))))
    return total


@collect.register_fake
def _(grad, perm, count):
    return grad.new_empty(count, *grad.shape[1:])


@torch.library.custom_op(
    'alignmix_mm::partner_gradient', mutates_args=(),
    schema='(Tensor grad, Tensor plan) -> Tensor')
def partner_gradient(grad: Tensor, plan: Tensor) -> Tensor:
    """Products ``(B, c, r)`` of ``grad`` and ``plan``, in full float32.

    It is a separate operator because a compiled backward pass would keep the
    product and drop the setting.
    """
    with full_precision(grad.device):
        return torch.bmm(grad, plan)


@partner_gradient.register_fake
def _(grad, plan):
    return torch.bmm(grad, plan)


def _save(ctx, inputs: tuple, output: tuple) -> None:
    _, y, lam, perm, ctx.swap, _, _ = inputs
    _, plan, sums = output
    ctx.y_batch = len(y)
    ctx.mark_non_differentiable(plan, sums)
    ctx.save_for_backward(lam, perm, plan)


def _backward(ctx, grad: Tensor, *_) -> tuple[Tensor | None, ...]:
    """Gradients of the maps; no gradient flows through the plan."""
    lam, perm, plan = ctx.saved_tensors
    lam = lam.view(-1, 1, 1)
    full = grad.float()

    def of_anchor() -> Tensor:
        return (lam * full).to(grad.dtype)

    def of_partner() -> Tensor:
        return partner_gradient(full, (1 - lam) * plan).to(grad.dtype)

    first, second = (of_partner, of_anchor) if ctx.swap else (of_anchor,
                                                              of_partner)
    of_x, of_y = ctx.needs_input_grad[:2]
    return (first() if of_x else None,
            collect(second(), perm, ctx.y_batch) if of_y else None,
            *[None] * 5)


fused_mix.register_autograd(_backward, setup_context=_save)


def _allocate(like: Tensor, batch: int, r: int) -> tuple[Tensor, Tensor]:
    """Memory of plans and sums."""
    return (like.new_empty(batch, r, r, dtype=torch.float32),
            like.new_empty(batch, 2, r, dtype=torch.float32))


def _channels_last(x: Tensor) -> bool:
    return x.stride(1) < x.stride(2)


def _dense(x: Tensor, channels_last: bool) -> Tensor:
    """Maps (B, c, r) in one of the two layouts that the kernels read."""
    return x.mT.contiguous().mT if channels_last else x.contiguous()


def _mixed(x: Tensor) -> Tensor:
    """Memory of mixed maps, in the layout of x."""
    batch, channels, r = x.shape
    if _channels_last(x):
        return x.new_empty(batch, r, channels).mT
    return x.new_empty(batch, channels, r)
