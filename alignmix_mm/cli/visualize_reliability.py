"""Draw the reliability of several checkpoints, as in Figure 4 of the paper.

The tables are the files that the metric CalibrationError wrote to the folders
of the runs: `alignmix visualize reliability a/reliability.json
b/reliability.json --labels Baseline AlignMix`
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
    parser.add_argument('tables', nargs='+', type=Path,
                        help='files reliability.json')
    parser.add_argument('--labels', nargs='+', help='names of the tables in '
                        'the legend; default: their folders')
    parser.add_argument(
        '--out', nargs='+', type=Path, help='files to write; default: '
        'reliability.png and reliability.svg',
        default=[Path('reliability.png'), Path('reliability.svg')])
    args = parser.parse_args(argv)
    args.labels = args.labels or [str(path.parent) for path in args.tables]
    if len(set(args.labels)) != len(args.tables):
        parser.error('expected --labels with a different name for each of '
                     f'the {len(args.tables)} tables, got {args.labels}')
    return args


def read(path: Path) -> BinStatistics:
    """Read a table.

    Args:
        path (Path): The file.

    Returns:
        BinStatistics: The table.

    Raises:
        SystemExit: If the file does not hold a valid table.
    """
    from ..evaluation.functional import BinStatistics
    try:
        return BinStatistics.from_dict(json.loads(
            path.read_text(encoding='utf-8-sig')))
    except (OSError, ValueError, RecursionError) as error:
        raise SystemExit(f'{path} is not a table of CalibrationError '
                         f'(reliability.json): {error}') from error


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the diagram.

    Args:
        argv (Sequence[str], optional): Arguments. Defaults to None, which
            takes the command line.
    """
    args = parse_args(argv)
    from ..visualization import plot_reliability, save
    figure = plot_reliability(
        dict(zip(args.labels, map(read, args.tables))))
    for path in args.out:
        save(figure, path)
        print(path)
