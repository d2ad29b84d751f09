"""Block sizes and warps of the Triton kernels, and where they run."""
import contextlib

import torch
import triton

# Warps of a plan, by the size of its tile: few, because they exchange the sums
# of every sweep, but enough to avoid register spills
# (benchmarks/kernel_resources.py shows them).
WARPS = {16: 1, 32: 1, 64: 4, 128: 8, 256: 8}
PRODUCT_WARPS = {16: 2, 32: 4, 64: 4}  # of a product of maps
GRAM_BLOCK = 32  # channels
# Most blocks of channels that one program sums; fewer would not use a GPU
# better. It does not depend on the batch size, which must not change the
# rounding of a pair.
GRAM_BLOCKS = 8
COLLECT_BLOCK = 1024
ROWS = 32  # of a block of large_plan_kernel
FUSION = dict(enable_fp_fusion=True)  # Triton is about to change its default


def tile_of(r: int) -> int:
    """Positions of a tile; products need at least 16."""
    return max(16, triton.next_power_of_2(r))


def mix_block(tile: int, capability: tuple[int, int]) -> int:
    """Channels of a block of `mix_kernel`, few enough to avoid spills.

    Devices of capability 9 and 10 read the operands of products from shared
    memory, other devices from registers.
    """
    return 64 if tile < 64 or capability[0] in (9, 10) else 32


def capability(device: torch.device) -> tuple[int, int]:
    """Compute capability of a device, (0, 0) in the interpreter."""
    if device.type == 'cuda':
        return torch.cuda.get_device_capability(device)
    return 0, 0


def current(device: torch.device) -> contextlib.AbstractContextManager:
    """Make a device current, because Triton launches there."""
    if device.type == 'cuda':
        return torch.cuda.device(device)
    return contextlib.nullcontext()
