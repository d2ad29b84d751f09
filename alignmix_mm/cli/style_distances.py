"""Compute how much the styles of a data set's classes differ.

StyleCutMix restyles a pair of images more if the styles of their classes are
alike. `alignmix style-distances CONFIG --encoder vgg_normalised.pth --out
D.npy` reads the training set once; then set `distances='D.npy'` in the
augmentation.
"""
import argparse
from collections.abc import Sequence
from pathlib import Path

from .options import add_common_options, make_parser, parse_then_run


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser('style-distances', __doc__)
    parser.add_argument('config', help='config file')
    add_common_options(parser)
    parser.add_argument(
        '--encoder', type=Path, required=True, help='the file '
        'vgg_normalised.pth from github.com/naoto0804/pytorch-AdaIN')
    parser.add_argument(
        '--size', type=int, default=224, help='height and width of the '
        "encoder's input; default: 224")
    parser.add_argument(
        '--unit', action='store_true', help='give the encoder values from '
        '0 to 1, as the augmentation does if its `mean` and `std` are set; '
        'default: normalized images')
    parser.add_argument(
        '--out', type=Path, default=Path('style_distances.npy'),
        help='file to write; default: style_distances.npy')
    args = parser.parse_args(argv)
    if args.out.suffix != '.npy':
        parser.error(f'--out should end in .npy, but is {args.out}')
    return args


main = parse_then_run(parse_args, 'styling')
