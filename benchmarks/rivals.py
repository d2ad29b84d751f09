#!/usr/bin/env python
"""Time training steps of the other methods and the baseline, on one network.

`python benchmarks/rivals.py IMAGES` takes images of any folder, as squares of
the config's size, because the problems of PuzzleMix and Co-Mixup depend on
them. Methods have the options of their configs, and PuzzleMix draws its grid
as published.
"""
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import torch
from measure import interleaved, median_ms, paired_ratio, write
from mmengine.config import Config
from mmpretrain.structures import DataSample
from puzzle import load as load_images
from training import CONFIGS, DTYPES, build, make_parser, make_wrapper, parse

from alignmix_mm import AlignMixClassifier

# config of each method, with a place for the data set's name
METHODS = {
    'baseline': 'baselines/baseline_{}.py',
    'cutmix': 'baselines/cutmix_{}.py',
    'saliencymix': 'baselines/saliencymix_{}.py',
    'puzzlemix': 'baselines/puzzlemix_{}.py',
    'comixup': 'baselines/comixup_{}.py',
}
# (method, other method): at most this ratio of the times of their steps
GOALS = {('saliencymix', 'cutmix'): 1.01, ('puzzlemix', 'baseline'): 2.15,
         ('comixup', 'baseline'): 2.4}


def stepper(name: str, images: torch.Tensor,
            args: Namespace) -> Callable[[], object]:
    """Make the training step of a method.

    Args:
        name (str): Key of ``METHODS``.
        images (Tensor): ``(B, 3, S, S)``, uint8.
        args (Namespace): The options.

    Returns:
        Callable: Runs one step, in which the method is always drawn.
    """
    cfg = Config.fromfile(CONFIGS / METHODS[name].format(args.config))
    augments = cfg.model.get('train_cfg', {}).get('augments')
    cfg.model.update(type=AlignMixClassifier, train_cfg=dict(
        augments=augments) if augments else None)
    model = build(cfg, args.device)
    # labels do not fit the images, so large steps would diverge
    wrapper = make_wrapper(model, 1e-3, args.amp, args.device)
    classes = cfg.data_preprocessor.num_classes

    def step() -> object:
        samples = [DataSample().set_gt_label(n % classes)
                   for n in range(len(images))]
        return model.train_step(
            dict(inputs=images, data_samples=samples), wrapper)

    return step


def main() -> None:
    """Measure, print, write."""
    parser = make_parser(__doc__)
    parser.add_argument('images', type=Path, help='folder of images')
    parser.add_argument('--amp', choices=DTYPES, default='off')
    parser.add_argument('--rounds', type=int, default=8)
    args = parse(parser, 'rivals')
    pixels = load_images(args.images, args.batch)
    images = (pixels * 255).round().to(args.device, torch.uint8)
    steps = {name: stepper(name, images, args) for name in METHODS}
    seconds = interleaved(steps, args.rounds)
    ratios = {name: paired_ratio(seconds[name], seconds['baseline'])
              for name in METHODS}
    goals = {}
    for (name, other), goal in GOALS.items():
        ratio = paired_ratio(seconds[name], seconds[other])
        goals[f'{name}_to_{other}'] = dict(ratio=ratio, goal=goal,
                                           met=ratio <= goal)
    for name, ratio in ratios.items():
        print(f'{name:<12}{median_ms(seconds[name]):10.1f} ms{ratio:8.3f}')
    for name, found in goals.items():
        print(f'{name}: {found["ratio"]:.3f}, goal <= {found["goal"]} '
              f'{"met" if found["met"] else "MISSED"}')
    print(write(args.name, dict(
        config=args.config, ran_on=args.device.type, amp=args.amp,
        batch=args.batch, size=args.size, goals=goals,
        ratio_to_baseline=ratios, seconds=seconds,
        ms={name: median_ms(values) for name, values in seconds.items()})))


if __name__ == '__main__':
    main()
