"""Write the page: HTML with charts and pictures."""
import math
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs, get_plotlyjs_version

from .differences import differences
from .figures import charts, undrawn
from .pictures import Picture, embed
from .records import RunRecord
from .tables import MAIN, Row, changed_settings, table

MANY = 1e9  # from here on, a number with all digits is too long
NOT_MEASURED, NOT_FINITE = 'not measured', 'not finite'
FACT = re.compile(
    r'^\s*(Python|PyTorch|TorchVision|OpenCV|MMEngine|CUDA available'
    r'|GPU [\d,]+|seed): ([^(\n]+)', re.MULTILINE)


class Side(NamedTuple):
    """What the page shows about one run.

    Attributes:
        run (RunRecord): The run.
        main (Row): Its top-1 accuracy.
        unit (str): What its validations count.
        facts (str): Its environment in one line.
        remarks (list[str]): Remarks for the reader.
    """

    run: RunRecord
    main: Row
    unit: str
    facts: str
    remarks: list[str]


class Library(NamedTuple):
    """The code that draws the charts: Plotly.

    Attributes:
        file (str): Name of its file next to the page.
        code (str): The JavaScript code.
    """

    file: str
    code: str


def find_library() -> Library:
    """Get the installed version of Plotly.

    Returns:
        Library: Its version is in the file name, since old pages may be kept.
    """
    return Library(f'plotly-{get_plotlyjs_version()}.min.js', get_plotlyjs())


def render(runs: Sequence[RunRecord], images: Sequence[Path],
           written: datetime, single_file: bool = False) -> str:
    """Write the page.

    Args:
        runs (Sequence[RunRecord]): The runs, in the order of the page.
        images (Sequence[Path]): Pictures in addition to those of the runs.
        written (datetime): The time shown on the page.
        single_file (bool): Whether the page includes the code that draws the
            charts. Defaults to False: the page loads it from the file of
            :func:`find_library` in the same folder.

    Returns:
        str: HTML that needs no network.

    Raises:
        ValueError: If one of ``images`` is not a picture.
    """
    rows = table(runs)
    pictures = [embed(file, file.name) for file in images]
    found, broken = _pictures(runs)
    sides = [_side(n, run, rows, broken[n]) for n, run in enumerate(runs)]
    drawn = charts(runs, rows)
    configured = [n for n, run in enumerate(runs) if run.config is not None]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    # JSON has no NaN; better an error here than a page that does not open
    environment.policies['json.dumps_kwargs'] = dict(allow_nan=False)
    environment.filters.update(best=best, median=median, number=number)
    return environment.get_template('page.html.j2').render(
        sides=sides, drawn=drawn, undrawn=undrawn(runs), written=written,
        specs=[chart.spec for chart in drawn], pictures=found + pictures,
        metrics=[(name, list(group)) for name, group in groupby(
            rows, key=lambda row: row.metric)], library=find_library(),
        single_file=single_file,
        configured=configured, differences=differences(
            [runs[n] for n in configured]))


def number(value: float | None, metric: str = '') -> str:
    """Format a number.

    Args:
        value (float, optional): The number.
        metric (str): Name of its metric; counts (``n_...``) get no decimals.
            Defaults to ``''``.

    Returns:
        str: The number with two decimals, or with four digits if it is very
        large; otherwise the reason why there is no number.
    """
    if value is None:
        return NOT_MEASURED
    if not math.isfinite(value):
        return NOT_FINITE
    if abs(value) >= MANY:
        return f'{value:.4g}'
    is_count = metric.split('/')[-1].startswith('n_')
    return f'{value:,.0f}' if is_count else f'{value:.2f}'


def best(row: Row, unit: str) -> str:
    """Format the best value of a row, with its epoch.

    Args:
        row (Row): The row.
        unit (str): What its validations count.

    Returns:
        str: Text of a cell.
    """
    if row.best is not None:
        return f'{number(row.best, row.metric)} ({unit} {row.best_at})'
    return 'not defined' if row.evaluations else NOT_MEASURED


def median(row: Row) -> str:
    """Format the median of the last ten evaluations of a row.

    Args:
        row (Row): The row.

    Returns:
        str: Text of a cell; it gives their number if there are fewer than
        ten.
    """
    if row.evaluations == 1:
        return 'one evaluation only'
    few = 0 < row.evaluations < 10
    return number(row.last10, row.metric) + (
        f' (of {row.evaluations})' if few else '')


def _side(index: int, run: RunRecord, rows: list[Row],
          broken: list[str]) -> Side:
    main = next((row for row in rows
                 if (row.run, row.metric) == (index, MAIN)),
                Row(index, MAIN, None, None, None, 0, None, None, ()))
    remarks = [*run.notes, *broken]
    has_paper = any(row.paper for row in rows if row.run == index)
    if has_paper and changed_settings(run) is not False:
        remarks.append('Its settings are not those of the config of this name '
                       'in the repository, or could not be compared. The '
                       'values of the paper may not apply.')
    return Side(run, main, 'epoch' if run.by_epoch else 'iteration',
                ', '.join(_facts(run.environment)), remarks)


def _facts(environment: str) -> Iterator[str]:
    for name, value in FACT.findall(environment):
        yield f'{name}: {value.strip()}'


def _pictures(runs: Sequence[RunRecord],
              ) -> tuple[list[Picture], list[list[str]]]:
    """Pictures of all runs, and for each run, problems with its own."""
    found, broken = [], [[] for _ in runs]
    for run, problems in zip(runs, broken):
        for file in run.pictures:
            try:
                found.append(embed(file, f'{run.name}: {file.name}'))
            except ValueError as error:
                problems.append(str(error))
    return found, broken
