"""Draw what alignment does.

`alignmix visualize alignment` draws Figure 2 of the paper: two sets of 16
points in the plane, their cost and assignment, and the aligned and mixed
points. `alignmix visualize alignment CONFIG CKPT` takes pairs of test images
and draws which positions of their feature maps are matched, at every place
where the config mixes maps.
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
    parser = make_parser('visualize alignment', __doc__)
    parser.add_argument('config', nargs='?', help='config file')
    parser.add_argument('checkpoint', nargs='?', help='checkpoint file')
    add_common_options(parser)
    add_pair_options(parser)
    parser.add_argument(
        '--eps', type=float,
        help='entropic regularization; default: as in the config, otherwise '
        '0.1')
    parser.add_argument(
        '--lam', type=float, default=.5,
        help='weight of the anchor; default: 0.5')
    parser.add_argument(
        '--out', type=Path,
        help='folder to write to; default: `alignment` in --work-dir or '
        'work_dirs')
    args = parser.parse_args(argv)
    if bool(args.config) != bool(args.checkpoint):
        parser.error('expected both CONFIG and CKPT, or neither')
    return args


main = parse_then_run(parse_args, 'drawing.alignment')
