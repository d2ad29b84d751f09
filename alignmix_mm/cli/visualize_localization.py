"""Draw where a classifier sees its objects, as in Figure 5 of the paper.

`alignmix visualize localization CONFIG CKPT --num 16` draws test images of the
config with heat maps, predicted boxes (red) and true boxes (green). The maps
and boxes are those that the metric Localization evaluates, for the true class.
`--images FOLDER` draws your own images, without true boxes and with the map of
the predicted class.
"""
import argparse
from collections.abc import Sequence
from pathlib import Path

from .options import add_common_options, make_parser, parse_then_run


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser('visualize localization', __doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    add_common_options(parser)
    parser.add_argument(
        '--num', type=int, default=16, help='number of images, chosen at '
        'random; default: 16')
    parser.add_argument(
        '--seed', type=int, default=0, help='random seed; default: 0')
    parser.add_argument(
        '--index', type=int, nargs='+', help='indices of images to draw, '
        'instead of random ones')
    parser.add_argument(
        '--images', type=Path, help='folder of your own images')
    parser.add_argument(
        '--out', nargs='+', type=Path, help='files to write; default: '
        'localization.png in --work-dir')
    return parser.parse_args(argv)


main = parse_then_run(parse_args, 'drawing.localization')
