"""Draw where a classifier sees its objects, Figure 5.

`alignmix visualize localization CONFIG CKPT --num 16` draws images of
the config's test set with their heat maps, predicted boxes (red) and true
boxes (green). Maps and boxes are those that the metric Localization evaluates:
of the true class. `--images FOLDER` draws images of your own, without true
boxes, with the map of the class that is predicted.
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
        '--num', type=int, default=16, help='number of images, drawn at '
        'random; default: 16')
    parser.add_argument('--seed', type=int, default=0, help='of the draw')
    parser.add_argument(
        '--index', type=int, nargs='+', help='draw these images instead')
    parser.add_argument(
        '--images', type=Path, help='folder of images without boxes')
    parser.add_argument(
        '--out', nargs='+', type=Path, help='files to write; default: '
        'localization.png in the work dir')
    return parser.parse_args(argv)


main = parse_then_run(parse_args, 'drawing.localization')
