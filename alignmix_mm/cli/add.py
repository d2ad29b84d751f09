"""Write the config that adds AlignMix to a classifier's config.

`alignmix add CONFIG --out NEW.py`; CONFIG is a file or
`mmpretrain::resnet/resnet50_8xb32_in1k.py`. The command builds the classifier,
finds the modules that all features flow through, and chooses one after which
alignment has an effect. It then trains one step of each mode as a check.
"""
import argparse
from collections.abc import Sequence
from pathlib import Path

from .options import make_parser, parse_then_run


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser('add', __doc__)
    parser.add_argument('config', help='config of a classifier')
    parser.add_argument('--out', type=Path, required=True, metavar='NEW.py',
                        help='file to write')
    parser.add_argument(
        '--mix-at', metavar='PLACE', help='backbone module to mix after; '
        'default: the last one after which alignment has an effect; '
        "'auto': find that module at the start of each run, for its image "
        'size')
    parser.add_argument(
        '--embed', type=int, metavar='DIM', help='instead of inside the '
        "backbone, mix before the paper's f: a linear layer with DIM outputs "
        'that replaces the neck')
    parser.add_argument(
        '--force', action='store_true', help='overwrite NEW.py')
    args = parser.parse_args(argv)
    if args.mix_at and args.embed:
        parser.error('give --mix-at or --embed, not both')
    if args.out.exists() and not args.force:
        parser.error(f'{args.out} already exists; --force overwrites it')
    if '::' not in args.config and not Path(args.config).is_file():
        parser.error(f'there is no config {args.config}: expected a path, or '
                     'PACKAGE::PATH for a config of a package')
    return args


main = parse_then_run(parse_args, 'adding.work')
