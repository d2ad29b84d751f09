"""`alignmix train CONFIG`, or `--data FOLDER --model NAME`: train a model."""
from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine import compat
from .errors import brief_errors
from .numbers import count, positive, rate, share
from .options import VISUALIZERS, DictAction, add_common_options, make_parser

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

DESCRIPTION = """Train a model, from a config or on a folder of photos.

  alignmix train CONFIG
  alignmix train --data FOLDER --model resnet18 --method alignmix

The second form writes a config to the folder of the run and trains with it."""
#: Settings that a config must have.
NEEDED = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
#: Options that replace a config, and their defaults.
FLAGS = dict(model=None, pretrained=None, method='alignmix',
             method_options=None, epochs=20, batch_size=64, size=224, lr=None,
             val_share=None, workers=2, seed=0)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line: MMPretrain's options, and those of --data."""
    parser = make_parser('train', DESCRIPTION)
    parser.add_argument('config', nargs='?', help='config file')
    _add_flags(parser.add_argument_group('instead of a config'))
    add_common_options(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='checkpoint to resume from; without a path, the latest one in '
        '--work-dir')
    parser.add_argument(
        '--on-nan',
        choices=['stop', 'skip'],
        default='stop',
        help='if a loss or gradient is NaN or infinite, stop the run (the '
        'default) or skip the batch; it never updates the parameters')
    parser.add_argument(
        '--vis',
        nargs='+',
        choices=list(VISUALIZERS),
        default=[],
        help='where else to log the run, with pictures of mixed batches')
    parser.add_argument(
        '--no-validate',
        action='store_true',
        help='do not evaluate during training')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate to the actual batch size')
    parser.add_argument(
        '--no-persistent-workers',
        action='store_true',
        help='restart the workers of data loaders in each epoch')
    args = parser.parse_args(argv)
    _check_flags(parser, args)
    return args


def _add_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--data', type=Path, metavar='FOLDER', help='photos, one folder per '
        'class; these may be inside train, val and test')
    group.add_argument(
        '--model', metavar='NAME', help='network: a name from '
        'mmpretrain.list_models(), or timm/NAME')
    group.add_argument(
        '--pretrained', nargs='?', const='auto', metavar='FILE|URL',
        help='weights to start from; without a value, the published weights')
    group.add_argument(
        '--method', help='mixing method: none, mixup, cutmix, manifold, ...; '
        'default: alignmix')
    group.add_argument(
        '--method-options', nargs='+', action=DictAction,
        metavar='KEY=VALUE', help='arguments of the method, e.g. alpha=1.0')
    group.add_argument(
        '--epochs', type=positive, help='epochs of training; default: 20')
    group.add_argument(
        '--batch-size', type=positive, help='images per step; default: 64')
    group.add_argument(
        '--size', type=positive, help='height and width of the images; '
        'default: 224')
    group.add_argument(
        '--lr', type=rate, help='learning rate of AdamW; default: 0.0005 '
        'with --pretrained, 0.001 without')
    group.add_argument(
        '--val-share', type=share, help='share of each class used for '
        'validation if there is no folder val; default: 0.2')
    group.add_argument(
        '--workers', type=count, help='processes that load images; '
        'default: 2')
    group.add_argument('--seed', type=count, help='random seed; default: 0')


def _check_flags(parser: argparse.ArgumentParser,
                 args: argparse.Namespace) -> None:
    if (args.config is None) == (args.data is None):
        parser.error('expected a config file, or --data FOLDER --model NAME'
                     + (', not both' if args.config else ''))
    given = [name for name in FLAGS if getattr(args, name) is not None]
    if args.config is not None and given:
        parser.error(f'--{given[0].replace("_", "-")} belongs to --data; to '
                     'change a config, use --cfg-options')
    if args.data is not None and args.model is None:
        parser.error('--data needs --model NAME, e.g. --model resnet18')
    for name in FLAGS.keys() - given:
        setattr(args, name, FLAGS[name])


def main(argv: Sequence[str] | None = None) -> None:
    """Train.

    Args:
        argv (Sequence[str], optional): Arguments. Defaults to None, which
            takes the command line.
    """
    args = parse_args(argv)
    words = sys.argv[1:] if argv is None else argv
    compat.enable()
    try:
        with brief_errors(args.debug):
            _run(args, [word for word in words if word not in (
                '--resume', args.resume)])
    except KeyboardInterrupt:  # before there is anything to save
        sys.exit(130)


def _run(args: argparse.Namespace, words: Sequence[str]) -> None:
    from .common import build_runner, leave
    if args.data is not None:
        from .finetune.prepare import prepare
        args.config = str(prepare(args))
    train(build_runner(complete(args)), words)
    leave()


def complete(args: argparse.Namespace) -> Config:
    """Read the config and apply the options to it.

    Args:
        args (Namespace): Parsed options.

    Returns:
        Config: Ready for training.
    """
    from .common import add_hooks, add_visualizers, load_config, make_safe
    loaders = ['train_dataloader']
    if not args.no_validate:
        loaders.append('val_dataloader')
    cfg = load_config(args, loaders)
    missing = [name for name in NEEDED if cfg.get(name) is None]
    if missing:
        sys.exit(f'Expected a config for training, but {args.config} has no '
                 f'{", ".join(missing)}.')
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp:
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    make_safe(cfg, args.resume, args.on_nan)
    add_hooks(cfg, WeightsCheckHook=dict(allow_partial=True))
    if args.vis:
        add_visualizers(cfg, args.vis)
    if args.auto_scale_lr:
        if 'auto_scale_lr' not in cfg:
            sys.exit('--auto-scale-lr needs auto_scale_lr=dict('
                     'base_batch_size=N) in the config, where N is the batch '
                     'size that its learning rate was chosen for.')
        cfg.auto_scale_lr.enable = True
    return cfg


def train(runner: Runner, words: Sequence[str]) -> None:
    """Train; if interrupted, tell the user how to continue.

    Args:
        runner (Runner): The runner.
        words (Sequence[str]): Arguments of the command that starts the run.
    """
    from ..engine.checkpoints import find_latest
    from ..engine.hooks import InterruptHook
    try:
        runner.train()
    except KeyboardInterrupt:
        latest = find_latest(runner.work_dir)
        saved = f'saved in {latest}' if latest else 'and nothing was saved'
        print(f'Stopped in epoch {runner.epoch + 1}, {saved}. Continue with:\n'
              f'{shlex.join(["alignmix", "train", *words, "--resume"])}',
              file=sys.stderr)
        sys.exit(130)
    finally:
        for hook in runner.hooks:
            if isinstance(hook, InterruptHook):
                hook.release()
