#!/usr/bin/env python
"""Draw the reliability of several checkpoints in one diagram, Figure 4.

The tables are those that the metric CalibrationError wrote into each run's
folder: `python tools/plot_reliability.py a/reliability.json b/reliability.json
--labels Baseline AlignMix`
"""
import argparse
import json
from pathlib import Path

from alignmix_mm.evaluation.functional import BinStatistics
from alignmix_mm.visualization import plot_reliability, save


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('tables', nargs='+', type=Path, help='JSON files')
    parser.add_argument('--labels', nargs='+', help='default: their folders')
    parser.add_argument(
        '--out', nargs='+', type=Path, help='files to write; default: '
        'reliability.png and .svg in the working directory',
        default=[Path('reliability.png'), Path('reliability.svg')])
    args = parser.parse_args()
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
    try:
        return BinStatistics.from_dict(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError) as error:
        raise SystemExit(f'{path} is no table of CalibrationError '
                         f'(reliability.json): {error!r}') from error


def main() -> None:
    """Draw."""
    args = parse_args()
    figure = plot_reliability(
        dict(zip(args.labels, map(read, args.tables))))
    for path in args.out:
        save(figure, path)
        print(path)


if __name__ == '__main__':
    main()
