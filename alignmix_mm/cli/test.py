"""`alignmix test CONFIG CKPT`: evaluate a checkpoint."""
from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine import compat
from ..evaluation.protocols import ATTACKS
from .options import add_common_options, make_parser, require_checkpoint

if TYPE_CHECKING:
    from mmengine.config import Config


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; the options are those of MMPretrain."""
    parser = make_parser('test', 'Evaluate a checkpoint')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    add_common_options(parser)
    parser.add_argument('--out', help='file to write results to (.json, .pkl)')
    parser.add_argument(
        '--out-item',
        choices=['metrics', 'pred'],
        help='what --out holds; default: predictions')
    parser.add_argument(
        '--show-dir', help='folder for images with their predictions')
    parser.add_argument(
        '--show', action='store_true', help='show predictions in a window')
    parser.add_argument(
        '--interval', type=int, default=1, help='show every n-th sample')
    parser.add_argument(
        '--wait-time', type=float, default=2, help='seconds to show a window')
    parser.add_argument(
        '--tta',
        action='store_true',
        help='augment at test time: the config\'s `tta_model`, else flip')
    parser.add_argument(
        '--attack', nargs='+', choices=list(ATTACKS), metavar='ATTACK',
        help='test on adversarial images: fgsm (8/255), pgd (4/255) or both')
    args = parser.parse_args(argv)
    if args.attack and (args.amp or args.tta or (
            args.out and args.out_item != 'metrics')):
        parser.error('--attack works in full precision, on single images and '
                     'gives metrics: leave out --amp and --tta, and write '
                     '--out-item metrics with --out.')
    if args.out_item and not args.out:
        parser.error('--out-item says what --out holds: give --out FILE too')
    return args


def show_predictions(cfg: Config, args: argparse.Namespace) -> None:
    """Switch the visualization hook on."""
    if 'visualization' not in cfg.get('default_hooks', {}):
        sys.exit("--show and --show-dir need default_hooks.visualization="
                 "dict(type='VisualizationHook') in the config.")
    cfg.default_hooks.visualization.update(
        enable=True,
        show=args.show,
        out_dir=args.show_dir,
        interval=args.interval,
        wait_time=args.wait_time)


def augment_at_test_time(cfg: Config) -> None:
    """Average the predictions over augmentations, by default over a flip."""
    dataset = cfg.test_dataloader.dataset
    if 'tta_pipeline' not in cfg:
        flips = [dict(type='RandomFlip', prob=prob) for prob in (1., 0.)]
        *first, last = copy.deepcopy(dataset.pipeline)
        cfg.tta_pipeline = [
            *first, dict(type='TestTimeAug', transforms=[flips, [last]])
        ]
    average = dict(type='mmpretrain.AverageClsScoreTTA')
    cfg.model = dict(**cfg.get('tta_model', average), module=cfg.model)
    dataset.pipeline = cfg.tta_pipeline


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate.

    Args:
        argv (Sequence[str], optional): Arguments. Defaults to None, which is
            the command line.
    """
    args = parse_args(argv)
    compat.enable()
    require_checkpoint(args.checkpoint)
    import mmengine
    from mmengine.dist import is_main_process
    from mmengine.evaluator import DumpResults

    from .common import (
        bad_checkpoints_end,
        build_runner,
        leave,
        load_config,
    )
    cfg = load_config(args, ['test_dataloader'])
    cfg.load_from = args.checkpoint
    if args.amp:
        cfg.test_cfg.fp16 = True
    if args.show or args.show_dir:
        show_predictions(cfg, args)
    if args.tta:
        augment_at_test_time(cfg)
    if args.attack:
        cfg.test_cfg = dict(type='AdversarialTestLoop', attacks=args.attack)
    runner = build_runner(cfg)
    if args.out and args.out_item != 'metrics':
        runner.test_evaluator.metrics.append(DumpResults(args.out))
    with bad_checkpoints_end():
        metrics = runner.test()
    if is_main_process():
        mmengine.dump(metrics, str(Path(runner.log_dir) / 'metrics.json'))
    if args.out and args.out_item == 'metrics':
        mmengine.dump(metrics, args.out)
    leave()
