"""Write a report of runs: `alignmix report RUN [RUN ...]`.

RUN is the folder of a training, work_dirs/CONFIG. The report is one file of
HTML, which needs nothing else to be looked at.
"""
import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from .options import make_parser

EXTRA = ('jinja2', 'plotly')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser('report', __doc__)
    parser.add_argument(
        'runs', nargs='+', type=Path, metavar='RUN', help='folders of runs')
    parser.add_argument(
        '--out', type=Path, default=Path('report.html'),
        help='file to write; default: report.html in the working directory')
    parser.add_argument(
        '--images', nargs='+', type=Path, default=[], metavar='FILE',
        help='pictures to show, besides those in the folders of the runs')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Read the runs and write the report.

    Args:
        argv (Sequence[str], optional): Arguments. Defaults to None, which is
            the command line.
    """
    args = parse_args(argv)
    try:
        from .reporting.page import render
        from .reporting.records import read_runs
    except ModuleNotFoundError as error:
        package = error.name.split('.')[0]
        if package not in EXTRA:
            raise
        sys.exit(f'The report needs {package}, which is not installed: '
                 'pip install "alignmix_mm[report]"')
    try:
        page = render(read_runs(args.runs), args.images, datetime.now())
        args.out.parent.mkdir(parents=True, exist_ok=True)
        # names of files need not be Unicode
        args.out.write_text(page, encoding='utf-8', errors='replace')
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    print(args.out)
