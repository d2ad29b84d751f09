"""Decode mixtures of two images, as in Figure 3 of the paper.

`alignmix visualize interpolation CONFIG CKPT` takes pairs of test images,
mixes their feature maps with weights from 0 to 1, without and with alignment
and in both directions, and decodes the results. CKPT is a checkpoint of
AlignMix/AE. Columns are weights of the anchor, whose pose alignment keeps.
"""
import argparse
from collections.abc import Sequence
from pathlib import Path

from .options import (
    add_common_options,
    add_pair_options,
    make_parser,
    parse_then_run,
)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser('visualize interpolation', __doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    add_common_options(parser)
    add_pair_options(parser)
    parser.add_argument(
        '--steps', type=int, default=7, help='number of weights from 0 to 1; '
        'default: 7')
    parser.add_argument(
        '--out', type=Path, help='folder to write to; default: --work-dir')
    return parser.parse_args(argv)


main = parse_then_run(parse_args, 'drawing.interpolation')
