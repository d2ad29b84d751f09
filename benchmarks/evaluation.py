#!/usr/bin/env python
"""Time and memory of the evaluations.

Metrics of 50,000 x 1,000 probabilities, as for ImageNet's validation set, and
PGD compared with one forward and backward pass on the same batch: an attack
should need no more memory than the graph of one batch.
"""
import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from measure import interleaved, median_ms, paired_ratio, write
from memory import apart, peak_bytes, peak_mb
from mmpretrain.registry import MODELS

from alignmix_mm.evaluation.functional import (
    bin_statistics,
    ood_metrics,
    projected_gradient_ascent,
)

SECONDS, MEGABYTES = 10, 1000  # goals, for all metrics together
MEMORY_RATIO = 1.02  # goal: only the images in addition, no second graph


def metrics(samples: int, classes: int) -> dict[str, float]:
    """Time of all metrics, and their memory with the probabilities.

    Args:
        samples (int): Number of samples.
        classes (int): Number of classes.

    Returns:
        dict[str, float]: Seconds and MB.
    """
    imports = peak_mb()
    torch.manual_seed(0)
    probs = np.empty((samples, classes), np.float32)
    for rows in np.array_split(probs, 50):  # without a second copy
        rows[:] = torch.randn(rows.shape).softmax(1).numpy()
    labels = np.random.default_rng(0).integers(classes, size=samples)
    start = time.perf_counter()
    bin_statistics(probs, labels)
    scores = probs.max(1)
    ood_metrics(scores[:samples // 2], scores[samples // 2:])
    return dict(seconds=time.perf_counter() - start, imports_mb=imports,
                probabilities_mb=probs.nbytes / 2**20,
                peak_above_imports_mb=peak_mb() - imports)


def attack(steps: int, batch: int) -> dict[str, float]:
    """Time and memory of an attack, relative to one gradient of the batch.

    Args:
        steps (int): Steps of PGD.
        batch (int): Number of images.

    Returns:
        dict[str, float]: Milliseconds, MB as torch allocates them, ratios.
    """
    torch.manual_seed(0)
    model = MODELS.build(dict(
        type='ImageClassifier',
        backbone=dict(type='PreActResNet_CIFAR', depth=18),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=10, in_channels=512)))
    model.eval()
    images = torch.rand(batch, 3, 32, 32) * 255
    labels = torch.arange(batch) % 10

    def logits(x: torch.Tensor) -> torch.Tensor:
        return model((x - 120) / 60, mode='tensor')

    def gradient() -> object:
        x = images.clone().requires_grad_()
        return torch.autograd.grad(
            torch.nn.functional.cross_entropy(logits(x), labels), x)

    def ascend(steps: int) -> Callable[[], object]:
        return lambda: projected_gradient_ascent(
            logits, images, labels, 4, 2, steps)

    seconds = interleaved(dict(gradient=gradient, attack=ascend(steps)), 2)
    # a few steps show whether the memory grows with them
    memory = {name: peak_bytes(function, torch.device('cpu')) / 2**20
              for name, function in (('gradient', gradient),
                                     ('attack', ascend(3)))}
    return dict(
        steps=steps, batch=batch,
        gradient_ms=median_ms(seconds['gradient']),
        attack_ms=median_ms(seconds['attack']),
        ratio_per_step=paired_ratio(
            seconds['attack'], seconds['gradient']) / steps,
        gradient_mb=memory['gradient'], attack_mb=memory['attack'],
        memory_ratio=memory['attack'] / memory['gradient'])


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--samples', type=int, default=50000)
    parser.add_argument('--classes', type=int, default=1000)
    parser.add_argument('--batch', type=int, default=64)
    parser.add_argument('--name', default='evaluation_cpu')
    args = parser.parse_args()
    table = apart(metrics, args.samples, args.classes)
    pgd = apart(attack, 20, args.batch)
    goals = dict(
        metrics_seconds=dict(goal=SECONDS, met=table['seconds'] < SECONDS),
        metrics_mb=dict(goal=MEGABYTES,
                        met=table['peak_above_imports_mb'] < MEGABYTES),
        pgd_memory_ratio=dict(goal=MEMORY_RATIO,
                              met=pgd['memory_ratio'] < MEMORY_RATIO))
    print(f'metrics of {args.samples} x {args.classes}: '
          f'{table["seconds"]:.2f} s, '
          f'{table["peak_above_imports_mb"]:.0f} MB, of which '
          f'{table["probabilities_mb"]:.0f} MB are the probabilities')
    print(f'PGD: {pgd["ratio_per_step"]:.3f} of a forward and backward pass '
          f'for each step; {pgd["attack_mb"]:.0f} MB, one pass alone '
          f'{pgd["gradient_mb"]:.0f} MB')
    for name, goal in goals.items():
        print(f'{name}: {"met" if goal["met"] else "MISSED"}')
    print(write(args.name, dict(metrics=table, pgd=pgd, goals=goals)))


if __name__ == '__main__':
    main()
