"""A chart, and a line in it, as data for the page."""
import html
from typing import NamedTuple

from .records import RunRecord

SYMBOLS = ('circle', 'square', 'diamond', 'triangle-up', 'cross', 'x')


class Chart(NamedTuple):
    """A chart.

    Attributes:
        title (str): What it shows.
        note (str): A remark on how it was made; may be empty.
        summary (str): Its content in words, for screen readers.
        spec (dict): ``data`` and ``layout`` for Plotly, whether to
            ``smooth`` lines, and whether the axis may be ``logarithmic``.
            ``meta`` of each trace decides its colour.
        parts (list[str]): What the colours stand for, if not for runs.
        dashes (dict[int, str]): Dash style of each run, if colours do not
            stand for runs.
    """

    title: str
    note: str
    summary: str
    spec: dict
    parts: list[str] = []
    dashes: dict[int, str] = {}


def trace(runs: list[RunRecord], n: int, x: list, y: list, of: str = '',
          part: int | None = None, **options: object) -> dict:
    """Make a line of a run.

    Args:
        runs (list[RunRecord]): All runs.
        n (int): Index of the run.
        x (list): Positions.
        y (list): Values; None makes a gap.
        of (str): Text after the name of the run. Defaults to ``''``.
        part (int, optional): Index of the part that decides the colour.
            Defaults to None, which means the colour of the run.
        **options: Further settings of a Plotly trace.

    Returns:
        dict: A Plotly trace. Its name is escaped, since Plotly reads it as
        HTML.
    """
    # six digits are more than a chart shows
    y = [value if value is None else float(f'{value:.6g}') for value in y]
    return dict(options, x=x, y=y, meta=dict(run=n, part=part),
                name=html.escape(runs[n].name) + of)
