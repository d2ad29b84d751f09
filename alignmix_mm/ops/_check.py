"""Check of the Triton kernels against plain torch, before their first use."""
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

    The kernels need a C compiler, Python's headers and a matching driver at
    run time; only a trial shows whether all of these work. The kernels
    compiled here are those that the caller is about to use.

    Args:
        device (torch.device): Device to check.
        r (int): Positions of a map.
        dtype (torch.dtype): dtype of the maps or costs.

    Raises:
        RuntimeError: If the results differ.
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
        # by the plan of the maps: costs rounded to dtype have a different one
        aligned = torch.bmm(y[perm].float(), plan.to(CPU).mT)
        wanted, *_ = annealed_sinkhorn(cross_cost(x, y[perm]) / -EPS)
        _compare(plan, wanted, r, dtype)
        _compare(mixed, torch.lerp(aligned, x.float(), LAM), r, dtype)
        _compare(collect(x.to(device), perm.to(device), 2), x[perm].float(),
                 r, dtype)


def _maps(r: int, dtype: torch.dtype) -> Tensor:
    """Two batches of maps, (2, 2, c, r): a chirp, so no features are equal."""
    count = torch.arange(2 * 2 * CHANNELS * r, dtype=torch.float64, device=CPU)
    chirp = count.square_().div_(10).sin_() / 4
    return chirp.view(2, 2, CHANNELS, r).to(dtype)


def _compare(result: Tensor, expected: Tensor, r: int,
             dtype: torch.dtype) -> None:
    if not torch.allclose(result.to(CPU, torch.float32), expected, rtol=0,
                          atol=TOLERANCE):
        raise RuntimeError(f'wrong results for {r} positions, {dtype}')
