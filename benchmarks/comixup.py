#!/usr/bin/env python
"""Time Co-Mixup's assignment of parts of 20 images.

All parts at once and one by one, for saliency from flat to sharp, on one
thread. Times are compared with the official code: with --official it runs in
turn with ours; otherwise with the published .2 s per part on one core of a
different machine, which gives only a rough ratio.
"""
import argparse
import inspect
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from measure import interleaved, median_ms, paired_ratio, write

from alignmix_mm.mixing.functional import (
    comixup_assign,
    comixup_compatibility,
    comixup_costs,
)

INPUTS, BLOCKS, BLOCK = 20, 4, 8
PUBLISHED_MS = 200.  # per part, on one core
GOAL = .5  # of the official time
SHARPNESS = (1., 3., 5., 8.)
Problem = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def problem(parts: int, sharpness: float) -> Problem:
    """Draw smooth saliency, a prior and a start.

    Args:
        parts (int): Number of parts.
        sharpness (float): Exponent of the noise before smoothing.

    Returns:
        tuple: Shares and costs, ``(P, K, n, n)``, compatibility,
        ``(P, K, K)``, start, ``(P, K, n, n)``, int64.
    """
    generator = torch.Generator().manual_seed(0)
    size = BLOCKS * BLOCK
    noise = torch.randn(parts * INPUTS, 1, size, size, generator=generator)
    offset = torch.arange(-6, 7)
    bell = torch.exp(-offset**2 / 8)
    kernel = torch.outer(bell, bell)[None, None]
    saliency = F.conv2d(noise.abs()**sharpness, kernel, padding=6)
    saliency = saliency.view(parts, INPUTS, size, size)
    # Dirichlet(2, ..., 2): exponential variables, two for each input
    waits = torch.rand(2, parts, INPUTS, generator=generator).log().sum(0)
    prior = waits / waits.sum(1, keepdim=True)
    start = torch.randint(INPUTS, (parts, INPUTS, BLOCKS, BLOCKS),
                          generator=generator)
    shares = -comixup_costs(saliency, torch.ones_like(prior), BLOCKS)
    return (shares, comixup_costs(saliency, prior, BLOCKS),
            comixup_compatibility(saliency), start)


def official(path: Path, shares: torch.Tensor,
             compatibility: torch.Tensor) -> Callable[[], None]:
    """The official solver for the same saliency; it draws prior and start.

    Args:
        path (Path): Checkout of snu-mllab/Co-Mixup, with gco installed.
        shares (Tensor): ``(P, K, n, n)``, float32.
        compatibility (Tensor): ``(P, K, K)``, float32.

    Returns:
        Callable: Assigns all parts.
    """
    sys.path.insert(0, str(path))
    from match import get_onehot_matrix
    options = dict(beta=.32, gamma=1., eta=.05, mixup_alpha=2., thres=.83,
                   niter=4, device='cpu')
    missing = {'n_output', *options} - set(
        inspect.signature(get_onehot_matrix).parameters)
    if missing:
        raise SystemExit(
            f'match.get_onehot_matrix of {path} lacks the arguments {missing}.'
            ' Check out the revision that this benchmark was written for.')

    def assign() -> None:
        for share, A in zip(shares, compatibility):
            get_onehot_matrix(-share, A, n_output=INPUTS, **options)

    return assign


def measure(parts: int, sharpness: float, rounds: int,
            checkout: Path | None) -> dict:
    """Time one kind of saliency.

    Args:
        parts (int): Number of parts.
        sharpness (float): See :func:`problem`.
        rounds (int): Counted calls.
        checkout (Path, optional): Checkout of the official code.

    Returns:
        dict: Milliseconds and ratios.
    """
    shares, costs, A, start = problem(parts, sharpness)
    methods = dict(
        together=lambda: comixup_assign(costs, A, start),
        apart=lambda: [comixup_assign(*part) for part in zip(
            costs.split(1), A.split(1), start.split(1))])
    if checkout:
        methods['official'] = official(checkout, shares, A)
    seconds = interleaved(methods, rounds)
    busy_ms = 1e3 * min(processor_seconds(methods['together'])
                        for _ in range(rounds))
    z = comixup_assign(costs, A, start)
    counts = z.sum(dim=(2, 3))
    result = dict(
        spread_of_shares=shares.std().item(),
        inputs_of_an_output=(counts > 0).sum(-1).float().mean().item(),
        half_blocks=(z == .5).any(-1).float().mean().item(),
        together_ms=median_ms(seconds['together']),
        together_processor_ms=busy_ms,
        apart_ms=median_ms(seconds['apart']),
        together_to_apart=paired_ratio(seconds['together'], seconds['apart']))
    if checkout:
        return dict(result, official_ms=median_ms(seconds['official']),
                    to_official=paired_ratio(seconds['together'],
                                             seconds['official']))
    return dict(result, to_published=busy_ms / (PUBLISHED_MS * parts))


def processor_seconds(method: Callable[[], object]) -> float:
    """CPU time of a call, which other programs do not affect."""
    start = time.process_time()
    method()
    return time.process_time() - start


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--parts', type=int, default=5)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--official', type=Path, metavar='PATH',
                        help='checkout of snu-mllab/Co-Mixup')
    parser.add_argument('--name', default='comixup_cpu')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    key = 'to_official' if args.official else 'to_published'
    results = {}
    for sharpness in SHARPNESS:
        result = measure(args.parts, sharpness, args.rounds, args.official)
        results[f'sharpness {sharpness:g}'] = result
        print(f'shares spread by {result["spread_of_shares"]:.4f}: '
              f'{args.parts} parts together {result["together_ms"]:.0f} ms, '
              f'on the processor {result["together_processor_ms"]:.0f} ms, '
              f'{result["together_to_apart"]:.2f} of one by one, '
              f'{result[key]:.2f} {key.replace("_", " the ")} time')
    worst = max(result[key] for result in results.values())
    goal = dict(goal=GOAL, worst=worst, met=worst <= GOAL)
    print(f'goal, {GOAL} of it: {"met" if goal["met"] else "MISSED"}')
    print(write(args.name, dict(
        parts=args.parts, inputs=INPUTS, blocks=BLOCKS, results=results,
        compared_with='the official code, in turn with ours' if args.official
        else f'the published {PUBLISHED_MS:g} ms per part, another machine',
        goals={key: goal})))


if __name__ == '__main__':
    main()
