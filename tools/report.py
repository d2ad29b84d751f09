#!/usr/bin/env python
"""Write a report of runs: `python tools/report.py RUN [RUN ...]`.

RUN is the folder of a training, work_dirs/CONFIG. The report is one file of
HTML, which needs nothing else to be looked at.
"""
import argparse
import sys
from datetime import datetime
from pathlib import Path

EXTRA = ('jinja2', 'plotly')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        'runs', nargs='+', type=Path, metavar='RUN', help='folders of runs')
    parser.add_argument(
        '--out', type=Path, default=Path('report.html'),
        help='file to write; default: report.html in the working directory')
    parser.add_argument(
        '--images', nargs='+', type=Path, default=[], metavar='FILE',
        help='pictures to show, besides those in the folders of the runs')
    return parser.parse_args()


def main() -> None:
    """Read the runs and write the report."""
    args = parse_args()
    try:
        from reporting.page import render
        from reporting.records import read_runs
    except ModuleNotFoundError as error:
        package = error.name.split('.')[0]
        if package not in EXTRA:
            raise
        sys.exit(f'The report needs {package}, which is not installed: '
                 'pip install -e ".[report]"')
    try:
        page = render(read_runs(args.runs), args.images, datetime.now())
    except ValueError as error:
        sys.exit(str(error))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(page, encoding='utf-8')
    print(args.out)


if __name__ == '__main__':
    main()
