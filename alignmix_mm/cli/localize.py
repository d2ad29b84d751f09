"""Evaluate score maps of any origin against true boxes.

`alignmix localize data/CUB_200_2011 --maps FOLDER` reads
FOLDER/<class>/<image>.npy, a raw map (h, w) of any size, for every image of
the test set, and prints what `alignmix test` prints for a checkpoint. (Maps
written by the evaluator of Choe et al., <image>.jpg.npy, are found too.)
Without --maps it evaluates the same bump at the centre of every image: a
method that is no better has not found anything.
"""
import argparse
from collections.abc import Sequence
from pathlib import Path

from .options import make_parser, parse_then_run


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser('localize', __doc__)
    parser.add_argument('data_root', help="folder in CUB-200-2011's layout, "
                        'or of images (with --metadata)')
    parser.add_argument('--maps', type=Path, help='folder of .npy files')
    parser.add_argument(
        '--metadata', help='metadata folder of Choe et al., e.g. '
        'metadata/CUB/val; default: bounding_boxes.txt of the data')
    parser.add_argument('--split', choices=['train', 'test'], default='test')
    parser.add_argument(
        '--size', type=int, nargs=2, default=(224, 224),
        metavar=('HEIGHT', 'WIDTH'), help='of evaluation; default: 224 224')
    parser.add_argument('--tau', type=float, default=.15)
    parser.add_argument('--norm', choices=['minmax', 'max'], default='minmax')
    parser.add_argument(
        '--box', choices=['largest', 'mask'], default='largest')
    parser.add_argument('--out', help='JSON file to write figures to')
    return parser.parse_args(argv)


main = parse_then_run(parse_args, 'localizing')
