"""A chart, and a line of it, as the page takes them."""
import html
from typing import NamedTuple

from .records import RunRecord

SYMBOLS = ('circle', 'square', 'diamond', 'triangle-up', 'cross', 'x')


class Chart(NamedTuple):
    """A chart.

    Attributes:
        title (str): What it shows.
        note (str): How it was made, if that is not plain.
        summary (str): Its content in words, for those who do not see it.
        spec (dict): ``data`` and ``layout`` of Plotly, and whether lines are
            to ``smooth`` and the axis may be ``logarithmic``. Each trace says
            in ``meta`` what decides its colour.
        parts (list[str]): What colours stand for, if not for runs.
        dashes (dict[int, str]): Dashes of each run, if colours are not its.
    """

    title: str
    note: str
    summary: str
    spec: dict
    parts: list[str] = []
    dashes: dict[int, str] = {}


def trace(runs: list[RunRecord], n: int, x: list, y: list, of: str = '',
          part: int | None = None, **options: object) -> dict:
    """A line of a run.

    Args:
        runs (list[RunRecord]): All runs.
        n (int): Index of the run.
        x (list): Positions.
        y (list): Values; None where there is none.
        of (str): What follows the name of the run. Defaults to ``''``.
        part (int, optional): Index of the part that decides the colour.
            Defaults to None, which is the colour of the run.
        **options: As Plotly has them.

    Returns:
        dict: A trace of Plotly, which reads names as a kind of HTML.
    """
    # six digits are more than a chart shows
    y = [value if value is None else float(f'{value:.6g}') for value in y]
    return dict(options, x=x, y=y, meta=dict(run=n, part=part),
                name=html.escape(runs[n].name) + of)
