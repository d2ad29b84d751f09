"""`alignmix train CONFIG`: train a model."""
import argparse
import sys
from collections.abc import Sequence

from ..engine import compat
from .options import VISUALIZERS, add_common_options, make_parser


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; the options are those of MMPretrain."""
    parser = make_parser('train', 'Train a model')
    parser.add_argument('config', help='config file')
    add_common_options(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='checkpoint to resume from; without a path, the latest one of '
        'the work directory')
    parser.add_argument(
        '--on-nan',
        choices=['stop', 'skip'],
        default='stop',
        help='a batch whose loss or gradient is NaN or infinite ends the run, '
        'or is left out; parameters are never updated by it')
    parser.add_argument(
        '--vis',
        nargs='+',
        choices=list(VISUALIZERS),
        default=[],
        help='where to watch the run, beside its own folder; with pictures of '
        'mixed batches')
    parser.add_argument(
        '--no-validate',
        action='store_true',
        help='do not evaluate during training')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with the actual batch size')
    parser.add_argument(
        '--no-persistent-workers',
        action='store_true',
        help='start the workers of data loaders anew in each epoch')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Train.

    Args:
        argv (Sequence[str], optional): Arguments. Defaults to None, which is
            the command line.
    """
    args = parse_args(argv)
    compat.enable()
    from .common import (
        add_visualizers,
        bad_checkpoints_end,
        build_runner,
        leave,
        load_config,
        make_safe,
    )
    loaders = ['train_dataloader']
    if not args.no_validate:
        loaders.append('val_dataloader')
    cfg = load_config(args, loaders)
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp:
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    make_safe(cfg, args.resume, args.on_nan)
    if args.vis:
        add_visualizers(cfg, args.vis)
    if args.auto_scale_lr:
        if 'auto_scale_lr' not in cfg:
            sys.exit('--auto-scale-lr needs auto_scale_lr=dict('
                     'base_batch_size=N) in the config: the batch size that '
                     'its learning rate is meant for.')
        cfg.auto_scale_lr.enable = True
    with bad_checkpoints_end():
        build_runner(cfg).train()
    leave()
