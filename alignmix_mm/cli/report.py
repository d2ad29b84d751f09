"""Write a report of runs: `alignmix report RUN [RUN ...]`.

RUN is the folder of a training run, work_dirs/CONFIG. The report is one HTML
file. The code that draws the charts (Plotly, 5 MB) is written next to it and
shared by all reports there; --single-file includes it in the report.
"""
import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from .errors import describe
from .options import make_parser

EXTRA = ('jinja2', 'plotly')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser('report', __doc__)
    parser.add_argument(
        'runs', nargs='+', type=Path, metavar='RUN', help='folders of runs')
    parser.add_argument(
        '--out', type=Path, default=Path('report.html'),
        help='file to write; default: report.html')
    parser.add_argument(
        '--images', nargs='+', type=Path, default=[], metavar='FILE',
        help='more pictures to show; those in the runs are found anyway')
    parser.add_argument(
        '--single-file', action='store_true',
        help='include Plotly in the report: 5 MB more, but a single file')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Read the runs and write the report.

    Args:
        argv (Sequence[str], optional): Arguments. Defaults to None, which
            takes the command line.
    """
    args = parse_args(argv)
    try:
        from .reporting.page import find_library, render
        from .reporting.records import read_runs
    except ModuleNotFoundError as error:
        package = error.name.split('.')[0]
        if package not in EXTRA:
            raise
        sys.exit(f'The report needs {package}, which is not installed: '
                 'pip install "alignmix_mm[report]"')
    try:
        page = render(read_runs(args.runs), args.images, datetime.now(),
                      args.single_file)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        # names of files need not be Unicode
        args.out.write_text(page, encoding='utf-8', errors='replace')
        if not args.single_file:
            library = find_library()
            (args.out.parent / library.file).write_text(
                library.code, 'utf-8')
    except (ValueError, OSError) as error:
        sys.exit(describe(error))
    print(args.out)
