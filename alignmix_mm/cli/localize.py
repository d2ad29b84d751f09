"""Evaluate saved score maps, from any method, against true boxes.

`alignmix localize data/CUB_200_2011 --maps FOLDER` reads
FOLDER/<class>/<image>.npy, a raw map (h, w) of any size, for every image of
the test set, and prints what `alignmix test` prints for a checkpoint. (The
file names of Choe et al.'s evaluator, <image>.jpg.npy, work too.)
Without --maps, it evaluates a Gaussian at the centre of every image. A useful
method has to do better than that.
"""
import argparse
from collections.abc import Sequence
from pathlib import Path

from .options import make_parser, parse_then_run


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser('localize', __doc__)
    parser.add_argument('data_root', help="folder in CUB-200-2011's layout; "
                        'with --metadata, folder of images')
    parser.add_argument('--maps', type=Path, help='folder of .npy files')
    parser.add_argument(
        '--metadata', help='metadata folder of Choe et al., e.g. '
        'metadata/CUB/val; default: use bounding_boxes.txt in data_root')
    parser.add_argument(
        '--split', choices=['train', 'test'], default='test',
        help='images to evaluate, without --metadata; default: test')
    parser.add_argument(
        '--size', type=int, nargs=2, default=(224, 224),
        metavar=('HEIGHT', 'WIDTH'), help='size at which maps and boxes are '
        'compared; default: 224 224')
    parser.add_argument(
        '--tau', type=float, default=.15, help='fixed threshold, a share of '
        "the map's largest value; default: 0.15")
    parser.add_argument(
        '--norm', choices=['minmax', 'max'], default='minmax',
        help='how maps are scaled to [0, 1]; default: minmax')
    parser.add_argument(
        '--box', choices=['largest', 'mask'], default='largest',
        help='box at the fixed threshold: around the largest contour, or '
        'around all of the mask; default: largest')
    parser.add_argument('--out', help='JSON file to write the results to')
    return parser.parse_args(argv)


main = parse_then_run(parse_args, 'localizing')
