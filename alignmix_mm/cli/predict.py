"""Predict the classes of images.

`alignmix predict CKPT IMAGE_OR_FOLDER ...`. The network, its test transforms
and its class names come from the checkpoint.
"""
import argparse
from collections.abc import Sequence
from pathlib import Path

from .options import add_weights_options, make_parser, parse_then_run


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser('predict', __doc__)
    parser.add_argument('checkpoint', help='checkpoint from `alignmix train`')
    parser.add_argument('images', nargs='+', type=Path, metavar='IMAGE',
                        help='images, or folders to search for images')
    parser.add_argument(
        '--top', type=int, default=5, metavar='K',
        help='how many classes to show; default: 5')
    parser.add_argument(
        '--json', action='store_true',
        help='print the predictions as one JSON document')
    parser.add_argument(
        '--config', help='config of the network; default: the one in the '
        'checkpoint')
    add_weights_options(parser)
    args = parser.parse_args(argv)
    if args.top < 1:
        parser.error(f'--top must be at least 1, got {args.top}')
    return args


main = parse_then_run(parse_args, 'predicting')
