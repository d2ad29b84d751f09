"""Charts as plain data for Plotly; colours are the page's."""
import html
import math
import statistics
from collections.abc import Iterable
from typing import NamedTuple

from .records import RunRecord
from .tables import Row

MAX_POINTS = 1500
MAX_MARKERS = 60  # beyond, a line is clearer without
TITLES = {
    'loss': 'Training loss', 'lr': 'Learning rate',
    'accuracy/top1': 'Top-1 accuracy, %', 'accuracy/top5': 'Top-5 accuracy, %',
    'time': 'Time of an iteration, s', 'grad_norm': 'Norm of the gradient',
    'data_time': 'Time an iteration waits for data, s',
    'memory': 'Memory, MiB',
    'mixed_acc': 'Accuracy of mixed batches, %',
    'clean_acc': 'Accuracy of the same images without mixing, %',
    'plan_error': 'Violation of the marginals of the plan',
    'plan_entropy': 'Entropy of the plan: 0 one to one, 1 uniform',
}
ORDER = ('loss', 'mixed_acc', 'clean_acc', 'lr', 'grad_norm', 'time',
         'data_time', 'memory')
SYMBOLS = ('circle', 'square', 'diamond', 'triangle-up', 'cross', 'x')


class Chart(NamedTuple):
    """A chart.

    Attributes:
        title (str): What it shows.
        note (str): How it was made, if that is not plain.
        summary (str): Its content in words, for those who do not see it.
        spec (dict): ``data`` and ``layout`` of Plotly. A trace has the index
            of its run in ``meta``; the page gives it the run's colour.
    """

    title: str
    note: str
    summary: str
    spec: dict


def charts(runs: list[RunRecord], rows: list[Row]) -> list[Chart]:
    """All charts that the runs have data for.

    Args:
        runs (list[RunRecord]): The runs.
        rows (list[Row]): Their figures, for lines at the paper's values.

    Returns:
        list[Chart]: Losses, then what was evaluated more than once, then the
        rest of what was logged; reliability last.
    """
    logged = {name for run in runs for name in run.scalars.training}
    # what was evaluated once is in the tables
    evaluated = {name for run in runs for name, curve in
                 run.scalars.validation.items() if len(curve) > 1}
    losses = {name for name in logged if 'loss' in name}

    def rank(name: str) -> tuple[int, str]:
        return (ORDER.index(name) if name in ORDER else 1, name)

    drawn = [*(_training(runs, name) for name in sorted(losses, key=rank)),
             *(_validation(runs, name, rows) for name in sorted(evaluated)),
             *(_training(runs, name)
               for name in sorted(logged - losses, key=rank))]
    tables = any(run.table for run in runs)
    return drawn + ([_reliability(runs)] if tables else [])


def thin(curve: dict[int, float], most: int = MAX_POINTS,
         ) -> tuple[list[int], list[float | None]]:
    """A curve with few enough points to draw.

    Args:
        curve (dict[int, float]): Value at each step.
        most (int): Largest number of points. Defaults to 1500.

    Returns:
        tuple: Steps, and the mean of each block of as many values as needed,
        at its last step. None where no value of a block is finite.
    """
    items = sorted(curve.items())
    size = math.ceil(len(items) / most) or 1
    blocks = [items[n:n + size] for n in range(0, len(items), size)]
    return ([block[-1][0] for block in blocks],
            [_mean(value for _, value in block) for block in blocks])


def _mean(values: Iterable[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    scale = max(map(abs, finite)) or 1.  # the sum of large ones overflows
    return scale * statistics.fmean(value / scale for value in finite)


def _training(runs: list[RunRecord], name: str) -> Chart:
    curves = {n: run.scalars.training[name] for n, run in enumerate(runs)
              if name in run.scalars.training}
    data = []
    for n, curve in curves.items():
        x, y = thin(curve)
        data.append(_trace(runs, n, x, y, mode='lines' if len(x) > 1
                           else 'markers'))
    longest = max(map(len, curves.values()))
    notes = _coincident(runs, curves)
    if longest > MAX_POINTS:
        notes.append(f'Each point is the mean of '
                     f'{math.ceil(longest / MAX_POINTS)} logged values, in '
                     'the longest run.')
    return Chart(TITLES.get(name, name), ' '.join(notes),
                 _summary(runs, curves),
                 dict(data=data, layout=_layout('iteration')))


def _validation(runs: list[RunRecord], name: str, rows: list[Row]) -> Chart:
    curves = {n: run.scalars.validation[name] for n, run in enumerate(runs)
              if name in run.scalars.validation}
    data = []
    for n, curve in curves.items():
        x, y = thin(curve)
        mode = 'lines' if len(x) > MAX_MARKERS else 'lines+markers'
        data.append(_trace(runs, n, x, y, mode=mode,
                           marker=dict(symbol=SYMBOLS[n % len(SYMBOLS)])))
        values = {entry.value for row in rows for entry in row.paper
                  if (row.run, row.metric) == (n, name)}
        end = max(runs[n].planned or 0, *curve)
        data += [_trace(runs, n, [0, end], [value] * 2, mode='lines',
                        line=dict(dash='dot'), of=', in the paper')
                 for value in sorted(values)]
    units = {'epoch' if runs[n].by_epoch else 'iteration' for n in curves}
    notes = _coincident(runs, curves)
    if len(data) > len(curves):
        notes.append('Dotted: the value in the paper.')
    return Chart(
        TITLES.get(name, name), ' '.join(notes), _summary(runs, curves),
        dict(data=data, layout=_layout(' or '.join(sorted(units)))))


def _reliability(runs: list[RunRecord]) -> Chart:
    data = [dict(x=[0, 1], y=[0, 1], mode='lines', line=dict(dash='dash'),
                 hoverinfo='skip')]
    errors = []
    for n, run in enumerate(runs):
        if run.table is None:
            continue
        count = run.table.count[filled := run.table.count > 0]
        data.append(_trace(
            runs, n, run.table.conf[filled].tolist(),
            run.table.acc[filled].tolist(), mode='lines+markers',
            text=[f'{number:,} samples' for number in count.tolist()],
            marker=dict(symbol=SYMBOLS[n % len(SYMBOLS)], opacity=.8, size=(
                4 + 16 * (count / count.sum())**.5).tolist())))
        errors.append(f'{run.name}: ECE {100 * run.table.ece:.2f} %, '
                      f'OE {100 * run.table.oe:.2f} %, '
                      f'{run.table.count.sum():,} samples '
                      f'({run.table_source})')
    layout = _layout('confidence')
    layout['xaxis']['range'] = layout['yaxis']['range'] = [-.03, 1.05]
    return Chart('Reliability: accuracy against confidence',
                 'On the dashed line they agree. The area of a point grows '
                 'with its samples. ' + '; '.join(errors) + '.',
                 '; '.join(errors), dict(data=data, layout=layout))


def _trace(runs: list[RunRecord], n: int, x: list, y: list, of: str = '',
           **options: object) -> dict:
    """A line of run ``n``; Plotly reads names as a kind of HTML."""
    return dict(options, x=x, y=y, meta=n,
                name=html.escape(runs[n].name) + of)


def _coincident(runs: list[RunRecord], curves: dict[int, dict]) -> list[str]:
    """Say of which runs only the last line can be seen."""
    same: dict[tuple, list[str]] = {}
    for n, curve in curves.items():
        same.setdefault(tuple(curve.items()), []).append(runs[n].name)
    return [f'The lines of {" and ".join(names)} coincide.'
            for names in same.values() if len(names) > 1]


def _layout(x_title: str) -> dict:
    return dict(xaxis=dict(title=dict(text=x_title)), yaxis={})


def _summary(runs: list[RunRecord], curves: dict[int, dict]) -> str:
    ends = []
    for n, curve in curves.items():
        (first, start), (last, end) = min(curve.items()), max(curve.items())
        ends.append(f'{runs[n].name}: {start:.4g} at {first}, {end:.4g} at '
                    f'{last}')
    return '; '.join(ends)
