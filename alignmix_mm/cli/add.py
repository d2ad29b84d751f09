"""Write the config that adds AlignMix to a classifier's config.

`alignmix add CONFIG --out NEW.py`; CONFIG is a file or
`mmpretrain::resnet/resnet50_8xb32_in1k.py`. The classifier is built and looked
at: which modules all features pass, and where alignment changes what follows.
Before it is done, one step of each mode is trained with the new config.
"""
import argparse
from collections.abc import Sequence
from pathlib import Path

from .options import make_parser, parse_then_run


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser('add', __doc__)
    parser.add_argument('config', help='config of a classifier')
    parser.add_argument('--out', type=Path, required=True, metavar='NEW.py')
    parser.add_argument(
        '--mix-at', metavar='PLACE', help='module of the backbone to mix '
        'after; default: the last one\nafter which alignment matters, by its '
        "name; 'auto': the same, found\nanew in each run, for the size of its "
        'images')
    parser.add_argument(
        '--embed', type=int, metavar='DIM', help="mix before the paper's f, "
        'a linear layer of DIM outputs in the\nplace of the neck, instead of '
        'inside the backbone')
    parser.add_argument(
        '--force', action='store_true', help='overwrite NEW.py')
    args = parser.parse_args(argv)
    if args.mix_at and args.embed:
        parser.error('--mix-at and --embed exclude each other')
    if args.out.exists() and not args.force:
        parser.error(f'{args.out} exists; --force overwrites it')
    if '::' not in args.config and not Path(args.config).is_file():
        parser.error(f'there is no config {args.config}')
    return args


main = parse_then_run(parse_args, 'adding.work')
