#!/usr/bin/env python
"""Compare every backend on real feature maps with POT and with plain torch.

For each set of maps and each dtype: the error of the mixed map for
lambda = 0.3 against POT's converged plan in float64 (a few pairs), and the
largest difference from plain torch on the CPU (all pairs).
"""
import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from measure import write
from methods import EPS, LAM, interpolate
from torch import Tensor

from alignmix_mm.ops import align_and_mix, pairwise_cost

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'tools'))
from sinkhorn_oracle import golden_plan

GOLDEN_PAIRS = 4
DTYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}
BACKENDS = ('torch', 'triton')


def mix(a: Tensor, b: Tensor, backend: str) -> Tensor:
    """Mix maps ``(B, c, r)``; the result has their dtype."""
    mixed = align_and_mix(
        a.unsqueeze(3), b.unsqueeze(3), LAM, EPS, backend=backend)
    return mixed.squeeze(3)


def relative(mixed: Tensor, expected: Tensor) -> Tensor:
    """Relative error of each pair, ``(B, )``, float64."""
    expected = expected.double().flatten(1)
    error = mixed.cpu().double().flatten(1) - expected
    return error.norm(dim=1) / expected.norm(dim=1)


def compare(a: Tensor, b: Tensor, device: torch.device) -> dict:
    """Errors of the backends on one set of maps.

    Args:
        a (Tensor): Anchors, ``(B, c, r)``, floating point, on the CPU.
        b (Tensor): Partners, likewise.
        device (torch.device): Device on which the backends run.

    Returns:
        dict: For each backend, the mean error against POT's plan, and the
        median and the largest difference from plain torch on the CPU.
    """
    few_a, few_b = a[:GOLDEN_PAIRS], b[:GOLDEN_PAIRS]
    plan = golden_plan(pairwise_cost(few_a, few_b), EPS)
    golden = interpolate(few_a.double(), few_b.double(), plan)
    reference = mix(a, b, 'torch')
    result = dict(cpu_error=relative(
        reference[:GOLDEN_PAIRS], golden).mean().item())
    for backend in BACKENDS:
        mixed = mix(a.to(device), b.to(device), backend)
        difference = relative(mixed, reference)
        result[backend] = dict(
            error=relative(mixed[:GOLDEN_PAIRS], golden).mean().item(),
            median_difference=difference.median().item(),
            largest_difference=difference.max().item())
    return result


def describe(result: dict) -> list[str]:
    """Errors in words, the reference first."""
    return [f'torch on the CPU {result["cpu_error"]:.1e}'] + [
        f'{backend} {result[backend]["error"]:.1e} (differs from the CPU by '
        f'{result[backend]["largest_difference"]:.1e} at most)'
        for backend in BACKENDS]


def main() -> None:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--features', type=Path,
                        default=Path('work_dirs/features.npz'),
                        help='maps made by benchmarks/features.py')
    parser.add_argument('--device', type=torch.device,
                        default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--pairs', type=int, default=16)
    parser.add_argument('--name',
                        help='name of the result; default: parity_DEVICE')
    args = parser.parse_args()
    sets = {}
    with np.load(args.features) as pack:
        for name in (name for name in pack.files if name != 'source'):
            maps = torch.from_numpy(pack[name]).chunk(2)
            for label, dtype in DTYPES.items():
                a, b = (half[:args.pairs].to(dtype) for half in maps)
                result = compare(a, b, args.device)
                sets[f'{name} {label}'] = result
                print(f'{name:<5}{label:<5}', *describe(result), flush=True)
    path = write(args.name or f'parity_{args.device.type}',
                 dict(pairs=args.pairs, sets=sets), args.device)
    print(path)


if __name__ == '__main__':
    main()
