"""`alignmix test [CONFIG] CKPT`: evaluate a checkpoint."""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..evaluation.protocols import ATTACKS, METRICS, NOISE
from .options import (
    add_common_options,
    add_partial_option,
    make_parser,
    parse_then_run,
)

_METRICS, _PREDICTIONS = ('.json', '.yaml', '.yml'), ('.pkl', '.pickle')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; the options are those of MMPretrain."""
    parser = make_parser('test', 'Evaluate a checkpoint. Results go to a new '
                         "folder inside the checkpoint's folder.")
    parser.add_argument('config', nargs='?', help='config file; default: the '
                        'one in the checkpoint')
    parser.add_argument('checkpoint', help='checkpoint file')
    add_common_options(parser)
    add_partial_option(parser)
    _add_metrics(parser)
    parser.add_argument('--out', help='file for results: all metrics if '
                        'it ends in .json, predictions if it ends in .pkl')
    parser.add_argument(
        '--out-item',
        choices=['metrics', 'pred'],
        help='what to write to --out, whatever its suffix')
    parser.add_argument(
        '--show-dir', help='folder for pictures of the predictions')
    parser.add_argument(
        '--show', action='store_true', help='show predictions in a window')
    parser.add_argument(
        '--interval', type=int, default=1,
        help='show every n-th image; default: 1')
    parser.add_argument(
        '--wait-time', type=float, default=2,
        help='seconds for which a window is shown; default: 2')
    parser.add_argument(
        '--tta',
        action='store_true',
        help='test-time augmentation: `tta_model` of the config, otherwise a '
        'flip')
    args = parser.parse_intermixed_args(argv)
    _check(parser, args)
    return args


def _add_metrics(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--metrics', nargs='+', choices=[*METRICS, 'ood'], metavar='METRIC',
        help=f'one or more of {", ".join(METRICS)}, ood; default: the '
        'metrics of the config')
    parser.add_argument(
        '--attack', nargs='+', choices=list(ATTACKS), metavar='ATTACK',
        help='test on adversarial images: fgsm (8/255), pgd (4/255) or both')
    parser.add_argument(
        '--ood', nargs='+', metavar='SET',
        help='images of unknown classes, for the metric ood: folders, or '
        f'{" or ".join(NOISE)} noise; default: {" and ".join(NOISE)} noise')


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Complete the options; refuse those that exclude each other."""
    if args.ood:
        args.metrics = list(dict.fromkeys([*(args.metrics or ()), 'ood']))
    if args.out_item and not args.out:
        parser.error('--out-item needs --out FILE, the file to write')
    if args.out:
        suffix = Path(args.out).suffix
        if suffix not in _METRICS + _PREDICTIONS:
            parser.error('--out has to end in .json (metrics) or .pkl '
                         f'(predictions), but is {args.out}')
        args.out_item = args.out_item or (
            'metrics' if suffix in _METRICS else 'pred')
        if args.out_item == 'pred' and suffix in _METRICS:
            parser.error('--out-item pred needs --out FILE.pkl, got '
                         f'{args.out}')
    if args.attack and (args.amp or args.tta or args.out_item == 'pred'
                        and not args.metrics):
        parser.error('--attack needs full precision, single images and '
                     'metrics as its output: leave out --amp and --tta, and '
                     'use --out FILE.json or --out-item metrics')
    if args.tta and 'ood' in (args.metrics or ()):
        parser.error('--tta and the metric ood exclude each other')


main = parse_then_run(parse_args, 'testing.work')
