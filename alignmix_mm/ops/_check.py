"""The check of Triton kernels by plain torch, before a device uses them."""
import torch
from torch import Tensor

from ._annealed import annealed_sinkhorn
from ._dispatch import FUSED_DTYPES, FUSED_POSITIONS
from ._triton import annealed_plan, collect, fused_mix
from .cost import cross_cost

CPU = torch.device('cpu')
CHANNELS = 300  # more than one block of each kernel
EPS, LAM = .1, .3
TOLERANCE = 2e-3  # bfloat16 resolves 1e-3 of the features


def self_check(device: torch.device, r: int, dtype: torch.dtype) -> None:
    """Compare the kernels for one size and dtype with plain torch.

    They need a C compiler and Python's headers at run time, and a driver that
    fits: the only check of all that is to try. The kernels compiled here are
    those that the caller is about to use.

    Args:
        device (torch.device): Where.
        r (int): Positions.
        dtype (torch.dtype): Of the maps or costs.

    Raises:
        RuntimeError: If they differ.
    """
    x, y = _maps(r, dtype)
    perm = torch.tensor([1, 0], device=CPU)
    cost = cross_cost(x, y[perm]).to(dtype)
    expected, *_ = annealed_sinkhorn(cost.float() / -EPS)
    plan, _ = annealed_plan(cost.to(device), EPS, None)
    _compare(plan, expected, r, dtype)
    if r <= FUSED_POSITIONS and dtype in FUSED_DTYPES:
        lam = torch.full((2, ), LAM, dtype=torch.float32, device=CPU)
        mixed, plan, _ = fused_mix(
            *(tensor.to(device) for tensor in (x, y, lam, perm)), False, EPS,
            None)
        # its own plan: costs in dtype have other ones
        aligned = torch.bmm(y[perm].float(), plan.to(CPU).mT)
        wanted, *_ = annealed_sinkhorn(cross_cost(x, y[perm]) / -EPS)
        _compare(plan, wanted, r, dtype)
        _compare(mixed, torch.lerp(aligned, x.float(), LAM), r, dtype)
        _compare(collect(x.to(device), perm.to(device), 2), x[perm].float(),
                 r, dtype)


def _maps(r: int, dtype: torch.dtype) -> Tensor:
    """Two chirps, (2, 2, c, r): no two features alike, and not random."""
    count = torch.arange(2 * 2 * CHANNELS * r, dtype=torch.float64, device=CPU)
    chirp = count.square_().div_(10).sin_() / 4
    return chirp.view(2, 2, CHANNELS, r).to(dtype)


def _compare(result: Tensor, expected: Tensor, r: int,
             dtype: torch.dtype) -> None:
    if not torch.allclose(result.to(CPU, torch.float32), expected, rtol=0,
                          atol=TOLERANCE):
        raise RuntimeError(f'wrong results for {r} positions, {dtype}')
