#!/usr/bin/env python
"""Time a training step with AlignMix against the same step with Mixup.

The same network (alignmix_r18_cifar10), optimizer and batch; only the batch
augmentation differs. A step is preprocessing, forward, backward, update.
"""
import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from measure import interleaved, median_ms, paired_ratio, write
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from alignmix_mm import AlignMix

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
GOAL = 1.05  # AlignMix / Mixup, at most
MODES = ('input', 'embed', 'feat', 'feat_swap')


def make_step(config: str, augment: dict, batch: int,
              size: int) -> Callable[[], object]:
    """Build a model and return its training step.

    Args:
        config (str): Name of a config.
        augment (dict): Batch augmentation.
        batch (int): Images.
        size (int): Rows and columns of an image.

    Returns:
        Callable: Runs one step.
    """
    cfg = Config.fromfile(CONFIGS / f'{config}.py')
    torch.manual_seed(0)
    model = MODELS.build({
        **cfg.model, 'data_preprocessor': cfg.data_preprocessor,
        'train_cfg': dict(augments=[augment])})
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=.9)
    wrapper = OptimWrapper(optimizer)
    classes = cfg.data_preprocessor.num_classes
    images = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8)

    def step() -> object:
        samples = [DataSample().set_gt_label(n % classes)
                   for n in range(batch)]
        return model.train_step(
            dict(inputs=images, data_samples=samples), wrapper)

    return step


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--config', default='alignmix_r18_cifar10')
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--size', type=int, default=32)
    parser.add_argument('--rounds', type=int, default=7)
    args = parser.parse_args()
    shape = (args.batch, args.size)
    methods = {'mixup': make_step(args.config, dict(type='Mixup', alpha=1.),
                                  *shape)}
    for mode in MODES:
        methods[mode] = make_step(
            args.config, dict(type=AlignMix, modes=mode), *shape)
    seconds = interleaved(methods, args.rounds)
    ratios = {mode: paired_ratio(seconds[mode], seconds['mixup'])
              for mode in MODES}
    mean = statistics.mean(ratios.values())  # each mode is drawn as often
    result = dict(
        config=args.config, batch=args.batch, size=args.size,
        ms={key: median_ms(values) for key, values in seconds.items()},
        seconds=seconds, ratio_to_mixup=ratios, alignmix_to_mixup=mean,
        goal=GOAL, met=mean <= GOAL)
    print({key: f'{value:.0f} ms' for key, value in result['ms'].items()})
    print({key: f'{value:.3f}' for key, value in ratios.items()})
    print(f'AlignMix / Mixup: {mean:.3f}, goal <= {GOAL}')
    print(write(f'step_{args.config}_cpu', result))


if __name__ == '__main__':
    main()
