#!/usr/bin/env python
"""Time the Triton kernels of transport for several numbers of warps.

It prints a table and writes results/tune_kernels_cuda.json: the plan kernel
for each tile, the large kernel for each block of rows, and `align_and_mix`
with its own settings for the four shapes of the other benchmarks. It needs a
CUDA device, and stops after `--seconds` with the results so far.
"""
import argparse
import itertools
import time
from collections.abc import Callable, Iterator

import torch
import triton
from measure import write

from alignmix_mm.ops import _triton, align_and_mix
from alignmix_mm.ops._annealed import make_schedule
from alignmix_mm.ops._kernels import plan_kernel
from alignmix_mm.ops._kernels_large import large_plan_kernel

PAIRS = 128
SHAPES = {'S16': (128, 512, 16), 'S49': (100, 2048, 49),
          'S64': (128, 512, 64), 'S196': (16, 2048, 196)}
SMALL = {r: (1, 2, 4, 8) for r in (16, 64, 32)}
LARGE = {(196, rows): (4, 8, 16) for rows in (32, 16, 64)}


def milliseconds(run: Callable[[], object], repetitions: int = 10) -> float:
    """Median time of a call, after one that compiles."""
    run()
    times = []
    for _ in range(repetitions):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return sorted(times)[repetitions // 2]


def cost_of(pairs: int, r: int) -> torch.Tensor:
    """Costs like those of features: a few thousand eps."""
    a, b = torch.randn(2, pairs, 64, r, device='cuda')
    return torch.cdist(a.mT, b.mT).square() * 3


def plan(r: int, warps: int) -> Callable[[], object]:
    """A launch of the plan kernel."""
    cost = cost_of(PAIRS, r)
    out, sums = _triton._allocate(cost, PAIRS, r)
    return lambda: plan_kernel[(PAIRS, )](
        cost, out, sums, 1, 0, *cost.stride(), -10., *make_schedule(r, r),
        R=r, RP=_triton.tile_of(r), num_warps=warps, **_triton.FUSION)


def large_plan(r: int, rows: int, warps: int) -> Callable[[], object]:
    """A launch of the kernel for larger maps, 16 pairs."""
    cost = cost_of(16, r)
    out, sums = _triton._allocate(cost, 16, r)
    scratch = torch.empty_like(out)
    return lambda: large_plan_kernel[(16, )](
        cost, scratch, out, sums, *cost.stride(), -10., *make_schedule(r, r),
        R=r, RP=_triton.tile_of(r), ROWS=rows, num_warps=warps, num_stages=1,
        **_triton.FUSION)


def whole(batch: int, channels: int, r: int) -> Callable[[], object]:
    """`align_and_mix` with its own settings."""
    x = torch.randn(batch, channels, r, 1, device='cuda')
    perm = torch.randperm(batch, device='cuda')
    return lambda: align_and_mix(x, x, .3, perm=perm, backend='triton')


def jobs() -> Iterator[tuple[str, Callable[[], Callable[[], object]]]]:
    """Names and makers of launches, the most informative first."""
    for name, shape in SHAPES.items():
        yield f'align_and_mix {name}', lambda shape=shape: whole(*shape)
    for r, warps in SMALL.items():
        for w in warps:
            yield (f'plan r={r} warps={w}', lambda r=r, w=w: plan(r, w))
    for (r, rows), warps in LARGE.items():
        for w in warps:
            yield (f'large r={r} rows={rows} warps={w}',
                   lambda r=r, rows=rows, w=w: large_plan(r, rows, w))


def measure(make: Callable[[], Callable[[], object]]) -> float | str:
    """Milliseconds, or the reason why it failed."""
    try:
        return round(milliseconds(make()), 4)
    except Exception as error:  # too many registers, too much shared memory
        return f'{type(error).__name__}: {error}'.split('\n')[0]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=25.)
    parser.add_argument('--name', default='tune_kernels_cuda')
    args = parser.parse_args()
    torch.manual_seed(0)
    start, rows = time.monotonic(), {}
    in_time = itertools.takewhile(
        lambda _: time.monotonic() - start < args.seconds, jobs())
    for name, make in in_time:
        rows[name] = measure(make)
        print(f'{name:<30} {rows[name]}', flush=True)
    print(write(args.name, dict(
        triton=triton.__version__, milliseconds=rows)))


if __name__ == '__main__':
    main()
