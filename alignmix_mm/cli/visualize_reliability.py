"""Draw the reliability of several checkpoints in one diagram, Figure 4.

The tables are those that the metric CalibrationError wrote into each run's
folder: `alignmix visualize reliability a/reliability.json b/reliability.json
--labels Baseline AlignMix`
"""
from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .options import make_parser

if TYPE_CHECKING:
    from ..evaluation.functional import BinStatistics


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser('visualize reliability', __doc__)
    parser.add_argument('tables', nargs='+', type=Path, help='JSON files')
    parser.add_argument('--labels', nargs='+', help='default: their folders')
    parser.add_argument(
        '--out', nargs='+', type=Path, help='files to write; default: '
        'reliability.png and .svg in the working directory',
        default=[Path('reliability.png'), Path('reliability.svg')])
    args = parser.parse_args(argv)
    args.labels = args.labels or [str(path.parent) for path in args.tables]
    if len(set(args.labels)) != len(args.tables):
        parser.error(f'{len(args.tables)} tables need as many labels, all '
                     f'different, but there are {args.labels}.')
    return args


def read(path: Path) -> BinStatistics:
    """Read a table.

    Args:
        path (Path): The file.

    Returns:
        BinStatistics: The table.

    Raises:
        SystemExit: If the file holds none.
    """
    from ..evaluation.functional import BinStatistics
    try:
        return BinStatistics.from_dict(json.loads(
            path.read_text(encoding='utf-8-sig')))
    except (OSError, ValueError, RecursionError) as error:
        raise SystemExit(f'{path} is not a table of CalibrationError '
                         f'(reliability.json): {error}') from error


def main(argv: Sequence[str] | None = None) -> None:
    """Draw.

    Args:
        argv (Sequence[str], optional): Arguments. Defaults to None, which is
            the command line.
    """
    args = parse_args(argv)
    from ..visualization import plot_reliability, save
    figure = plot_reliability(
        dict(zip(args.labels, map(read, args.tables))))
    for path in args.out:
        save(figure, path)
        print(path)
