#!/usr/bin/env python
"""Count what a GPU would launch for the solvers of PuzzleMix and Co-Mixup.

`python benchmarks/calls.py IMAGES` runs on a CPU the way that a GPU takes, on
images of any folder as in `puzzle.py`, and counts calls of torch that are no
views, and reads by the host. It times nothing.
"""
import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from measure import write
from puzzle import cases, load, saliency_of
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from alignmix_mm.mixing.comixup import CoMixup
from alignmix_mm.mixing.draws import Draws
from alignmix_mm.mixing.functional import (
    comixup_solver,
    comixup_sweeps,
    puzzle_costs,
    puzzle_solver,
)

READS = ('_local_scalar_dense', 'nonzero')
GRIDS = (2, 3), (4, 3), (8, 3), (8, 4), (16, 2), (16, 3), (16, 4)


class Calls(TorchDispatchMode):
    """Counts calls by name, without views."""

    def __init__(self) -> None:
        super().__init__()
        self.names = Counter()

    def __torch_dispatch__(self, func: Callable, types: tuple,
                           args: tuple = (),
                           kwargs: dict | None = None) -> object:
        self.names[func.overloadpacket.__name__] += not func.is_view
        return func(*args, **(kwargs or {}))


def count(function: Callable[[], object]) -> dict[str, int]:
    """Launches and reads of one call.

    Args:
        function (Callable): What to count.

    Returns:
        dict[str, int]: ``launches`` and ``reads``.
    """
    to_list, lists = Tensor.tolist, []

    def counted(tensor: Tensor) -> list:
        lists.append(tensor)
        return to_list(tensor)

    with (mock.patch.object(Tensor, 'tolist', counted), torch.no_grad(),
          Calls() as calls):
        function()
    reads = len(lists) + sum(calls.names[name] for name in READS)
    return dict(launches=calls.names.total(), reads=reads)


def puzzle(images: Tensor, blocks: int, labels: int) -> dict[str, int]:
    """Count for the masks of one batch.

    Args:
        images (Tensor): ``(100, 3, 32, 32)``; 8 of them for 16 blocks, which
            take a CPU long.
        blocks (int): Blocks a side.
        labels (int): Number of labels.

    Returns:
        dict[str, int]: Counts, images, and how many were cut on the host.
    """
    case, = cases(images, blocks)
    costs = puzzle_costs(images, case['saliency'], case['perm'], .4, blocks,
                         num_labels=labels)
    costs = [cost[:8 if blocks == 16 else None].double() for cost in costs]
    costs = [costs[0], *(cost / (labels - 1)**2 for cost in costs[1:])]
    cut = []

    def by_cut(*some: Tensor) -> Tensor:
        cut.append(len(some[0]))
        return original(*some)

    original = puzzle_solver._by_cut
    with mock.patch.object(puzzle_solver, '_by_cut', by_cut):
        found = count(lambda: puzzle_solver._solve(
            *costs, puzzle_solver.GPU_STATES))
    return dict(blocks=blocks, labels=labels, images=len(costs[0]),
                cut=sum(cut), **found)


def comixup(images: Tensor, seed: int) -> dict[str, int]:
    """Count for the labellings of one batch.

    Args:
        images (Tensor): ``(128, 3, 32, 32)``.
        seed (int): Of the prior and the start.

    Returns:
        dict[str, int]: Counts, of the costs too.
    """
    method, saliency = CoMixup(), saliency_of(images)
    parts = method._draw(images, Draws(*map(np.random.default_rng,
                                            (seed, seed))))
    effort = dict(few=comixup_solver.GPU_FEW, ahead=method.part_size)
    with (mock.patch.object(comixup_sweeps, '_effort', lambda *_: effort),
          # which would hide what some calls consist of
          mock.patch.object(torch, 'inference_mode', torch.no_grad)):
        found = count(lambda: method._assign(saliency, parts))
    return dict(seed=seed, images=len(images), **found)


def main() -> None:
    """Count, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('images', type=Path, help='folder of images')
    parser.add_argument('--name', default='solver_calls')
    args = parser.parse_args()
    images = load(args.images, 256)
    rows = dict(puzzle=[puzzle(images[:100], *grid) for grid in GRIDS],
                comixup=[comixup(part, seed)
                         for seed, part in enumerate(images.split(128))])
    for name, found in rows.items():
        for row in found:
            print(name, ', '.join(f'{key} {value}'
                                  for key, value in row.items()), flush=True)
    print(write(args.name, rows, torch.device('cpu')))


if __name__ == '__main__':
    main()
