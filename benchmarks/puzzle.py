#!/usr/bin/env python
"""Time PuzzleMix's masks and transport; show how far gco's are from optimal.

`python benchmarks/puzzle.py IMAGES` takes images of any folder, as squares of
32 pixels, in batches of 100, and their saliency from a small network with
random weights. Lambda is drawn for every batch, from Beta(1, 1).

`--official FOLDER` compares with the code of Kim et al. (2020), in turn on the
same costs: FOLDER is a clone of https://github.com/snu-mllab/PuzzleMix, whose
imports (gco-wrapper) have to be installed. Without it, our times are compared
with those published with the goal, from a different run and maybe a different
machine.
"""
import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
import torch.nn.functional as F
from measure import interleaved, median_ms, paired_ratio, write
from PIL import Image
from torch import Tensor, nn

from alignmix_mm.mixing.functional import (
    puzzle_costs,
    puzzle_energy,
    puzzle_masks,
    puzzle_mix,
)

BATCH, SIZE, PATCH = 100, 32, 4
BETA, ETA, T_EPS, LABELS = 1.2, .2, .8, 3
# ms per image for the masks alone, by blocks; from the goal, not measured here
PUBLISHED = {2: 1.8, 4: 1.2, 8: 5., 16: 39.}
GOAL = .25  # of the official time, blocks drawn from all four


def load(folder: Path, count: int) -> Tensor:
    """Images spread over a folder, ``(count, 3, 32, 32)`` in [0, 1]."""
    files = sorted(path for path in folder.rglob('*')
                   if path.suffix.lower() in ('.png', '.jpg', '.jpeg'))
    if len(files) < count:
        raise SystemExit(f'Expected {count} images in {folder}, but found '
                         f'{len(files)}.')
    picked = np.random.default_rng(0).choice(len(files), count, replace=False)
    pixels = [np.asarray(Image.open(files[n]).convert('RGB').resize(
        (SIZE, SIZE))) for n in picked]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2) / 255


def saliency_of(images: Tensor) -> Tensor:
    """Root mean square of a loss's gradient over channels, (B, 32, 32)."""
    torch.manual_seed(0)
    layers = []
    for before, after in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1),
                   nn.BatchNorm2d(after), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                          nn.Linear(128, 100))
    x = images.clone().requires_grad_()
    loss = F.cross_entropy(model((x - .5) / .25), torch.arange(len(x)) % 100)
    gradient, = torch.autograd.grad(loss, x)
    return gradient.square().mean(1).sqrt()


def load_official(folder: Path) -> ModuleType:
    """Import the official ``mixup.py``, also on a CPU."""
    if not torch.cuda.is_available():
        Tensor.cuda = lambda self, *args: self  # its import moves tables
    sys.path.insert(0, str(folder))
    return importlib.import_module('mixup')


def official_masks(module: ModuleType, case: dict) -> Tensor:
    """Official masks, image by image; the code adds prior and smoothness."""
    unary, down, right = case['bare']
    scale = BETA / case['blocks'] / 16
    return torch.from_numpy(np.stack([
        module.graphcut_multi(u[..., 0], u[..., -1], d - scale, r - scale,
                              case['lam'], scale, ETA, LABELS)
        for u, d, r in zip(unary.numpy(), down.numpy(), right.numpy())
    ])).float()


def official_mix(module: ModuleType, case: dict, masks: Tensor) -> Tensor:
    """Official transport and mix, for given masks."""
    images, perm, saliency = (
        case[key] for key in ('images', 'perm', 'saliency'))
    count = max(case['blocks'], SIZE // PATCH)
    share = F.avg_pool2d(saliency, SIZE // count)
    share = share / share.sum((1, 2), keepdim=True)
    masks = F.interpolate(masks[:, None], size=count)
    moved = [
        module.transport_image(
            image, module.mask_transport(mask, part, eps=T_EPS), BATCH, count,
            SIZE // count)
        for image, mask, part in ((images, masks, share),
                                  (images[perm], 1 - masks, share[perm]))]
    return torch.lerp(moved[1], moved[0], F.interpolate(masks, size=SIZE))


def cases(images: Tensor, blocks: int) -> list[dict]:
    """One case for each batch of 100."""
    rng = np.random.default_rng(0)
    made = []
    for part in images.split(BATCH):
        saliency, lam = saliency_of(part), float(rng.beta(1, 1))
        perm = torch.from_numpy(rng.permutation(BATCH))
        costs, bare = (
            puzzle_costs(part, saliency, perm, lam, blocks, beta=BETA,
                         eta=eta, num_labels=LABELS) for eta in (ETA, 0))
        made.append(dict(images=part, saliency=saliency, perm=perm, lam=lam,
                         blocks=blocks, costs=costs, bare=bare))
    return made


def measure(images: Tensor, blocks: int, rounds: int,
            official: ModuleType | None) -> dict[str, float]:
    """Time masks and transport for one number of blocks.

    Args:
        images (Tensor): ``(N, 3, 32, 32)``, float32, N a multiple of 100.
        blocks (int): Blocks along each side.
        rounds (int): Counted rounds.
        official (ModuleType | None): The official functions.

    Returns:
        dict[str, float]: Milliseconds per image, ratios, energies.
    """
    made = cases(images, blocks)

    def each(function: Callable[[dict], object]) -> Callable[[], list]:
        return lambda: [function(case) for case in made]

    def mix(case: dict) -> object:
        return puzzle_mix(case['images'], case['perm'], case['masks'],
                          case['saliency'], t_eps=T_EPS, t_size=PATCH)

    masks = each(lambda case: puzzle_masks(*case['costs']))
    for case, found in zip(made, masks()):
        case['masks'] = found
    methods = dict(masks=masks, mix=each(mix))
    if official is not None:
        methods.update(
            official_masks=each(lambda case: official_masks(official, case)),
            official_mix=each(lambda case: official_mix(official, case,
                                                        case['masks'])))
    seconds = interleaved(methods, rounds)
    result = {f'{name}_ms': median_ms(values) / len(images)
              for name, values in seconds.items()}
    result['published_gco_ms'] = PUBLISHED[blocks]
    if official is not None:
        ours, theirs = (
            [a + b for a, b in zip(seconds[f'{who}masks'],
                                   seconds[f'{who}mix'])]
            for who in ('', 'official_'))
        result['ratio'] = paired_ratio(ours, theirs)
        result.update(_excess(made, methods['official_masks']()))
    return result


def _excess(made: list[dict], theirs: list[Tensor]) -> dict[str, float]:
    """How far the official labels are above the minimum, in float64."""
    gaps = []
    for case, masks in zip(made, theirs):
        costs = [cost.double() for cost in case['costs']]
        least, energy = (puzzle_energy(found.double(), *costs)
                         for found in (case['masks'], masks))
        gaps.append((energy - least) / least)
    gap = torch.cat(gaps)
    return dict(official_above_minimum=(gap > 1e-6).double().mean().item(),
                official_excess_mean=gap.mean().item(),
                official_excess_least=gap.min().item())


def judge(table: dict[int, dict]) -> dict[str, object]:
    """Sum over the numbers of blocks, which are drawn equally often."""
    def total(*keys: str) -> float:
        return sum(row[key] for row in table.values() for key in keys)

    side_by_side = all('ratio' in row for row in table.values())
    against = (('official_masks_ms', 'official_mix_ms') if side_by_side else
               ('published_gco_ms', ))
    value = total('masks_ms', 'mix_ms') / total(*against)
    return dict(goal=GOAL, value=value, met=value <= GOAL,
                against='the official code, side by side' if side_by_side
                else 'published times of gco alone, not measured here')


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('images', type=Path, help='folder of images')
    parser.add_argument('--official', type=Path, help='clone of PuzzleMix')
    parser.add_argument('--batches', type=int, default=4)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--name', default='puzzle_cpu')
    args = parser.parse_args()
    images = load(args.images, args.batches * BATCH)
    official = load_official(args.official) if args.official else None
    table = {}
    for blocks in PUBLISHED:
        row = table[blocks] = measure(images, blocks, args.rounds, official)
        print(f'n = {blocks}: ' + ', '.join(
            f'{key} {value:.3g}' for key, value in row.items()), flush=True)
    goal = judge(table)
    print(f'{goal["value"]:.3f} (goal <= {GOAL}) of {goal["against"]}: '
          f'{"met" if goal["met"] else "MISSED"}')
    print(write(args.name, dict(images_ms=table, goals=dict(time=goal)),
                torch.device('cpu')))


if __name__ == '__main__':
    main()
