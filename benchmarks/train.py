#!/usr/bin/env python
"""Train with AlignMix on several backends of the transport, and compare.

With the same seed, all backends get the same initial weights, images and
mixing draws, so their losses differ only by rounding and its consequences.
This difference is compared with the noise, the difference between seeds.
"""
import itertools
import statistics
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from features import read_images
from measure import write
from mmengine.logging import MessageHub
from mmpretrain.structures import DataSample
from torch import Tensor
from training import build, load, make_parser, make_wrapper, parse, synchronize

from alignmix_mm.mixing.draws import STEP_KEY

LAST = 100  # steps whose mean loss is compared
FIRST = 10  # steps that are compared one by one
EVERY = 10  # steps for each point of a curve
PADDING = 4


def read_classes(folder: Path, count: int, size: int) -> tuple[Tensor, Tensor]:
    """Read images of a tree with one folder for each class.

    Args:
        folder (Path): Folder of these folders, whose order gives the labels.
        count (int): Number of images of each class.
        size (int): Rows and columns after resizing.

    Returns:
        tuple[Tensor, Tensor]: Images, ``(N, 3, size, size)``, uint8, and
        labels, ``(N, )``, int64.
    """
    if not folder.is_dir():
        raise SystemExit(f'{folder} is not a folder. Pass one that holds a '
                         'folder of images for each class with --images.')
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    if not classes:
        raise SystemExit(f'Expected a folder of images for each class in '
                         f'{folder}, but found none.')
    images = torch.cat([read_images(path, count, size) for path in classes])
    return images, torch.arange(len(classes)).repeat_interleave(count)


def crop_and_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift and mirror each image at random.

    Args:
        images (Tensor): ``(B, 3, H, W)``, uint8.
        generator (torch.Generator): It draws on the CPU, so a seed gives the
            same images on every device.

    Returns:
        Tensor: The new images, like ``images``.
    """
    count, size = len(images), images.shape[-1]
    draws = torch.randint(2 * PADDING + 1, (2, count), generator=generator)
    rows, cols = draws.to(images.device)
    flip = torch.randint(2, (count, 1, 1, 1), generator=generator).bool()
    windows = F.pad(images, [PADDING] * 4).unfold(2, size, 1).unfold(
        3, size, 1)
    each = torch.arange(count, device=images.device)
    cropped = windows[each, :, rows, cols]
    return torch.where(flip.to(images.device), cropped.flip(3), cropped)


def batches(images: Tensor, labels: Tensor, args: Namespace,
            seed: int) -> Iterator[dict]:
    """Draw batches.

    Args:
        images (Tensor): ``(N, 3, H, W)``, uint8.
        labels (Tensor): ``(N, )``, int64, on the CPU.
        args (Namespace): The options.
        seed (int): Seed of the draws.

    Yields:
        dict: Data of one step.
    """
    generator = torch.Generator().manual_seed(seed)
    for _ in range(args.steps):
        chosen = torch.randint(len(labels), (args.batch, ),
                               generator=generator)
        inputs = crop_and_flip(images[chosen.to(images.device)], generator)
        samples = [DataSample().set_gt_label(label)
                   for label in labels[chosen].tolist()]
        yield dict(inputs=inputs, data_samples=samples)


def train(images: Tensor, labels: Tensor, args: Namespace, backend: str,
          seed: int) -> tuple[list[float], float]:
    """Train a network.

    Args:
        images (Tensor): ``(N, 3, H, W)``, uint8.
        labels (Tensor): ``(N, )``, int64, on the CPU.
        args (Namespace): The options.
        backend (str): Backend of the transport.
        seed (int): Seed of everything.

    Returns:
        tuple[list[float], float]: Loss of each step, and seconds per step.
    """
    model = build(load('alignmix', args.config, backend), args.device, seed)
    # AlignMix draws from torch's seed and this counter, which outlives a run
    MessageHub.get_current_instance().runtime_info.pop(STEP_KEY, None)
    wrapper = make_wrapper(model, args.lr, args.amp, args.device)
    losses, warmup = [], min(FIRST, args.steps // 2)
    for n, data in enumerate(batches(images, labels, args, seed)):
        if n == warmup:
            synchronize(args.device)
            start = time.perf_counter()
        losses.append(model.train_step(data, wrapper)['loss'].detach())
    synchronize(args.device)
    seconds = (time.perf_counter() - start) / (args.steps - warmup)
    return torch.stack(losses).tolist(), seconds


def spread(values: list[float]) -> float:
    """Mean absolute difference of all pairs, ``nan`` without a pair."""
    pairs = [abs(a - b) for a, b in itertools.combinations(values, 2)]
    return statistics.mean(pairs) if pairs else float('nan')


def compare(losses: dict[str, list[list[float]]]) -> dict:
    """Compare the difference between backends with that between seeds.

    Args:
        losses (dict[str, list[list[float]]]): Loss of each step, for each
            backend and seed.

    Returns:
        dict: The final losses, their differences, and the largest difference
        between backends in one of the first steps. Differences are None if
        there is nothing to compare.
    """
    final = {backend: [statistics.mean(run[-LAST:]) for run in runs]
             for backend, runs in losses.items()}
    between = [spread(values) for values in zip(*final.values())]
    difference = statistics.mean(between)
    noise = statistics.mean(spread(values) for values in final.values())
    first = max(
        max(values) - min(values) for runs in zip(*losses.values())
        for values in zip(*(run[:FIRST] for run in runs)))
    several, seeds = len(losses) > 1, len(between) > 1
    return dict(
        final_loss=final,
        difference_at_seed=between if several else None,
        difference=difference if several else None,
        noise=noise if seeds else None,
        difference_of_first_steps=first if several else None,
        agree=difference <= noise if several and seeds else None)


def curve(losses: list[float]) -> list[float]:
    """Means of ``EVERY`` consecutive losses."""
    return [round(statistics.mean(losses[n:n + EVERY]), 4)
            for n in range(0, len(losses), EVERY)]


def parse_args() -> Namespace:
    """Parse the options."""
    parser = make_parser(__doc__)
    parser.add_argument('--images', type=Path,
                        default=Path('data/cifar10/train'),
                        help='holds a folder of images for each class')
    parser.add_argument('--per-class', type=int, default=1000,
                        help='images of each class')
    parser.add_argument('--amp', choices=('off', 'bf16'), default='bf16')
    parser.add_argument('--lr', type=float, default=.1)
    parser.add_argument('--steps', type=int, default=1000)
    parser.add_argument('--seeds', type=int, default=2)
    parser.add_argument('--backends', nargs='+', default=['torch', 'triton'])
    return parse(parser, 'train')


def main() -> None:
    """Train, compare, write."""
    args = parse_args()
    images, labels = read_classes(args.images, args.per_class, args.size)
    images = images.to(args.device)
    losses = {backend: [] for backend in args.backends}
    seconds = {backend: [] for backend in args.backends}
    for seed, backend in itertools.product(range(args.seeds), losses):
        run, of_a_step = train(images, labels, args, backend, seed)
        losses[backend].append(run)
        seconds[backend].append(of_a_step)
        print(f'seed {seed} {backend:<7} loss '
              f'{statistics.mean(run[-LAST:]):.4f} at the end, '
              f'{1e3 * of_a_step:.1f} ms per step', flush=True)
    result = compare(losses)
    print({key: result[key] for key in ('difference', 'noise', 'agree')})
    print(write(args.name, dict(
        config=args.config, ran_on=args.device.type, amp=args.amp, lr=args.lr,
        batch=args.batch, size=args.size, steps=args.steps,
        images=len(images), last_steps=LAST, first_steps=FIRST, **result,
        seconds_per_step=seconds, steps_per_point=EVERY,
        curves={backend: [curve(run) for run in runs]
                for backend, runs in losses.items()})))


if __name__ == '__main__':
    main()
