"""Write the weights of a checkpoint for others.

`alignmix publish CKPT OUT` writes OUT-<8 digits of its sha256>.pth: the
weights that a test uses (averaged ones, if the run kept an average), names of
the classes and the config. No optimizer, nothing that executes code.
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
    parser.add_argument('checkpoint', help='checkpoint of `alignmix train`')
    parser.add_argument('out', type=Path, metavar='OUT',
                        help='path of the new file, without its hash')
    add_trust_option(parser)
    add_debug_option(parser)
    return parser.parse_args(argv)


main = parse_then_run(parse_args, 'publishing')
