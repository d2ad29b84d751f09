"""Write a checkpoint to share with others.

`alignmix publish CKPT OUT` writes OUT-<first 8 digits of its SHA-256>.pth. It
holds the weights that a test uses (the average, if the run kept one), the
class names and the config, but no optimizer and nothing that executes code.
"""
import argparse
from collections.abc import Sequence
from pathlib import Path

from .options import (
    add_debug_option,
    add_trust_option,
    make_parser,
    parse_then_run,
)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser('publish', __doc__)
    parser.add_argument('checkpoint', help='checkpoint from `alignmix train`')
    parser.add_argument('out', type=Path, metavar='OUT',
                        help='path of the file to write, without the hash')
    add_trust_option(parser)
    add_debug_option(parser)
    return parser.parse_args(argv)


main = parse_then_run(parse_args, 'publishing')
