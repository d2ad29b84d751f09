"""`alignmix compare DATA --methods ...`: which method is best on your data."""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..engine import compat
from ..evaluation.protocols import ATTACKS, METRICS
from .comparing.budget import read_budget
from .comparing.lock import locked
from .errors import brief_errors
from .numbers import count, positive, rate, share
from .options import DictAction, make_parser

DESCRIPTION = """Compare methods: the same data, order, initial weights and
schedule for all of them, several seeds, one table.

  alignmix compare FOLDER --model resnet18 --methods baseline mixup alignmix
  alignmix compare CONFIG --budget 20ep --seeds 5
  alignmix compare --only-table --work-dir D

The same command goes on where it was stopped."""
METHODS = ('baseline', 'mixup', 'cutmix', 'manifold', 'alignmix')
#: Options of a folder of photos, and their defaults.
FLAGS = dict(model=None, pretrained=None, size=224, batch_size=64,
             val_share=None, workers=2)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser('compare', DESCRIPTION)
    parser.add_argument(
        'source', nargs='?', help='folder of photos as in `alignmix train '
        '--data`, or a config')
    parser.add_argument('--work-dir', type=Path, metavar='D', help='folder '
                        'of all runs; default: work_dirs/compare_SOURCE')
    _add_protocol(parser.add_argument_group('what is compared, and how'))
    _add_evaluation(parser.add_argument_group('evaluation'))
    _add_photos(parser.add_argument_group('with a folder of photos'))
    _add_execution(parser.add_argument_group('execution'))
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        metavar='KEY=VALUE', help='override settings of the '
                        'config, or of the one written for a folder, e.g. '
                        'optim_wrapper.optimizer.weight_decay=0.1')
    parser.add_argument('--trust-checkpoint', action='store_true',
                        help='load weights that hold more than tensors, which '
                        'executes what they say: only of people you trust')
    parser.add_argument('--debug', action='store_true',
                        help='show where an error was raised')
    args = parser.parse_args(argv)
    _check(parser, args)
    return args


def _add_protocol(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--methods', nargs='+', type=str.lower, default=[*METHODS],
        metavar='METHOD',
        help='as in `alignmix train --method`, and cutout, alignmix_ae;\n'
        'NAME=METHOD for one of them with other options;\n'
        f'default: {" ".join(METHODS)}')
    group.add_argument(
        '--method-options', nargs='+', action=DictAction,
        metavar='METHOD.KEY=VALUE', help='arguments of methods, e.g. '
        'mixup.alpha=0.2,\nand METHOD.model.KEY=VALUE of the network, e.g. '
        'alignmix.model.mix_at=layer3')
    group.add_argument('--seeds', type=positive, default=3,
                       help='runs of each method; default: 3')
    group.add_argument(
        '--budget', type=read_budget, default='20ep', help='length of a run: '
        '400it, 20ep (equal steps), 30min or 2h (equal time);\ndefault: 20ep')
    group.add_argument('--lr', type=rate, help='learning rate of all methods; '
                       'default: that of the config')
    group.add_argument(
        '--lr-search', type=rate, nargs='+', metavar='LR', help='choose the '
        'rate of each method among these, on the validation images')
    group.add_argument(
        '--search-budget', type=read_budget, default='5ep', metavar='BUDGET',
        help='length of a run of the search, in steps or epochs; default: '
        '5ep')
    group.add_argument('--reference', type=str.lower, metavar='METHOD',
                       help='the method that others are compared with; '
                       'default: the first')
    group.add_argument(
        '--same-encoder', action='store_true', help="give all methods "
        "AlignMix's f, a linear layer that sees positions")


def _add_evaluation(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--metrics', nargs='+', choices=[*METRICS, 'ood'],
        default=['accuracy', 'calibration'], metavar='METRIC',
        help=f'{", ".join([*METRICS, "ood"])}; default: accuracy calibration')
    group.add_argument('--attack', nargs='+', choices=list(ATTACKS),
                       default=[], metavar='ATTACK', help='accuracy under '
                       'fgsm (8/255), pgd (4/255) or both')
    group.add_argument('--ood', nargs='+', metavar='FOLDER', help='images of '
                       'no class, or uniform, gaussian; default: both of '
                       'these')


def _add_photos(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--model', metavar='NAME', help='network of '
                       'mmpretrain.list_models(), or timm/NAME')
    group.add_argument(
        '--pretrained', nargs='?', const='auto', metavar='FILE|URL',
        help='weights to start from; without a value, the published ones')
    group.add_argument('--size', type=positive,
                       help='rows and columns; default: 224')
    group.add_argument('--batch-size', type=positive, help='default: 64')
    group.add_argument(
        '--val-share', type=share, help='share of each class for validation '
        'where there is no folder for it; default: 0.2')
    group.add_argument('--workers', type=count, help='processes that load '
                       'images; default: 2')


def _add_execution(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--jobs', type=positive, metavar='N', help='runs at a '
                       'time; default: 1, and all jobs of slurm')
    group.add_argument(
        '--executor', choices=['local', 'slurm', 'submitit-local'],
        default='local', help='slurm submits each run as a job, by submitit')
    group.add_argument('--gpus', type=count, help='GPUs of a job')
    group.add_argument('--memory', type=positive, metavar='GB',
                       help='memory of a job')
    group.add_argument('--time', type=positive, metavar='MINUTES',
                       help='longest time of a job')
    group.add_argument('--partition', help='partition of slurm')
    group.add_argument('--only-table', action='store_true', help='write the '
                       'tables of --work-dir again, and train nothing')


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse what does not go together, and fill defaults in."""
    if args.only_table:
        folder = args.work_dir or args.source
        if folder is None:
            parser.error('--only-table needs the folder, --work-dir D')
        args.work_dir = Path(folder)
        return
    if args.source is None:
        parser.error('expected a folder of photos or a config')
    is_folder = Path(args.source).is_dir()
    given = [name for name in FLAGS if getattr(args, name) is not None]
    if given and not is_folder and Path(args.source).suffix != '.py':
        parser.error(f'{args.source}: there is no such folder of photos')
    if given and not is_folder:
        parser.error(f'--{given[0].replace("_", "-")} belongs to a folder of '
                     'photos; what a config says is changed by --cfg-options')
    if is_folder and args.model is None:
        parser.error('a folder needs --model NAME, e.g. --model resnet18')
    for name in FLAGS.keys() - given:
        setattr(args, name, FLAGS[name])
    names = [typed.partition('=')[0] for typed in args.methods]
    if args.reference is not None and args.reference not in names:
        parser.error(f'--reference {args.reference} is not one of the '
                     f'methods: {" ".join(names)}')
    if args.lr is not None and args.lr_search:
        parser.error('--lr fixes the rate that --lr-search looks for: give '
                     'one of them')
    if args.search_budget.is_time:
        parser.error('--search-budget: expected steps or epochs, such as '
                     f'100it or 5ep, got {args.search_budget.text}')
    args.metrics = list(dict.fromkeys(args.metrics))
    if args.ood is not None and 'ood' not in args.metrics:
        args.metrics = [*args.metrics, 'ood']
    if args.work_dir is None:
        args.work_dir = Path('work_dirs') / f'compare_{_stem(args.source)}'


def _stem(source: str) -> str:
    return Path(source).resolve().stem.replace("'", '')


def main(argv: Sequence[str] | None = None) -> None:
    """Compare.

    Args:
        argv (Sequence[str], optional): Arguments. Defaults to None, which is
            the command line.
    """
    args = parse_args(argv)
    compat.enable()
    with brief_errors(args.debug):
        if args.only_table:
            from .comparing.report import write_report
            print(write_report(args.work_dir, args.reference))
            return
        with locked(args.work_dir):  # a second process hears of it at once
            from . import common  # noqa: F401  first, it silences mmcv-lite
            from .comparing.work import compare
            compare(args)
