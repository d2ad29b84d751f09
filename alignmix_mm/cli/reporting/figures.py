"""Make charts as plain data for Plotly; the page sets the colours."""
import html
import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from .axis import common_unit, layout, of_evaluation, of_training
from .records import RunRecord
from .reliability import reliability
from .scalars import Curves
from .tables import MAIN, Row
from .thinning import MAX_POINTS, thin
from .traces import SYMBOLS, Chart, trace

MAX_MARKERS = 60  # with more points, a line is clearer without markers
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
ORDER = ('loss', 'mixed_acc', 'clean_acc', 'plan_error', 'plan_entropy', 'lr',
         'grad_norm', 'time', 'data_time', 'memory')
SAMPLED = ('clean_acc', 'plan_error', 'plan_entropy')  # by MixLogHook
EXACT = ('lr', 'memory')  # without noise, so not smoothed
DASHES = ('solid', 'dash', 'dot', 'dashdot', 'longdash', 'longdashdot')


class Family(NamedTuple):
    """Scalars of one kind, shown on one axis of one chart.

    Attributes:
        prefix (str): Common prefix of their names.
        title (str): Title of the chart.
        noisy (bool): Whether lines may be smoothed and the axis may be
            logarithmic.
    """

    prefix: str
    title: str
    noisy: bool


FAMILIES = (Family('loss_', 'Training loss by mode', True),
            Family('share_', 'Share of each mode among the steps, %', False))


def charts(runs: list[RunRecord], rows: list[Row]) -> list[Chart]:
    """Make all charts with at least one line; single points are left out.

    Args:
        runs (list[RunRecord]): The runs.
        rows (list[Row]): Their metrics, for lines at the paper's values.

    Returns:
        list[Chart]: Accuracies, losses, other evaluations, other logged
        values; reliability last.
    """
    unit = common_unit(runs)
    logged = _lines(runs, lambda run: run.scalars.training)
    evaluated = sorted(_lines(runs, lambda run: run.scalars.validation),
                       key=lambda name: (name != MAIN, name))
    families = {family: sorted(
        name for name in logged if name.startswith(family.prefix))
        for family in FAMILIES}
    alone = sorted(logged - set().union(*families.values()), key=_rank)
    accuracies = [name for name in evaluated if name.startswith('accuracy/')]

    def drawn(names: Iterable[str]) -> list[Chart]:
        return [_training(runs, name, unit) for name in names]

    by_mode, shares = ([_family(runs, family, names, unit)] if names else []
                       for family, names in families.items())
    return [
        *(_evaluation(runs, name, rows, unit) for name in accuracies),
        *drawn(name for name in alone if 'loss' in name), *by_mode,
        *(_evaluation(runs, name, rows, unit) for name in evaluated
          if name not in accuracies),
        *drawn(name for name in alone if 'loss' not in name), *shares,
        *reliability(runs)]


def undrawn(runs: list[RunRecord]) -> list[str]:
    """Describe the values that were logged only once.

    Args:
        runs (list[RunRecord]): The runs.

    Returns:
        list[str]: Name, value and run of each training scalar that is not a
        line in any run. Values of evaluations are in the tables.
    """
    logged = _lines(runs, lambda run: run.scalars.training)
    return [f'{name} {value:.4g} ({run.name}, iteration {step})'
            for run in runs
            for name, curve in run.scalars.training.items()
            if name not in logged for step, value in curve.items()]


def _lines(runs: list[RunRecord],
           curves_of: Callable[[RunRecord], Curves]) -> set[str]:
    """Names with at least two finite values in some run."""
    return {name for run in runs for name, curve in curves_of(run).items()
            if sum(map(math.isfinite, curve.values())) > 1}


def _rank(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def _training(runs: list[RunRecord], name: str, unit: str) -> Chart:
    curves = {n: run.scalars.training[name] for n, run in enumerate(runs)
              if name in run.scalars.training}
    data = []
    for n, curve in curves.items():
        x, y = thin(curve)
        data.append(trace(runs, n, of_training(runs[n], x, unit), y,
                          mode=_mode(x)))
    notes = [*_coincident(runs, curves), *_blocks(curves.values())]
    if name in SAMPLED:
        notes.append('Each value is from a single batch.')
    return Chart(
        TITLES.get(name, name), ' '.join(notes), _summary(runs, curves),
        dict(data=data, layout=layout(unit, _end(data)),
             smooth=name not in EXACT,
             logarithmic=not name.endswith('_acc')))


def _family(runs: list[RunRecord], family: Family, names: list[str],
            unit: str) -> Chart:
    """One axis for a family: a colour per scalar, a dash style per run."""
    own = [n for n, run in enumerate(runs)
           if not run.scalars.training.keys().isdisjoint(names)]
    parts = [name.removeprefix(family.prefix) for name in names]
    data, curves = [], []
    for part, name in enumerate(names):
        for n in own:
            curve = runs[n].scalars.training.get(name)
            if curve is None:
                continue
            x, y = thin(curve)
            curves.append(curve)
            data.append(trace(
                runs, n, of_training(runs[n], x, unit), y,
                of=f': {html.escape(parts[part])}', mode=_mode(x),
                part=part, line=dict(dash=_dash(own.index(n)))))
    ends = [f'{part}: ' + _summary(runs, {
        n: runs[n].scalars.training[name] for n in own
        if name in runs[n].scalars.training})
        for part, name in zip(parts, names)]
    return Chart(
        family.title, ' '.join(_blocks(curves)), '. '.join(ends),
        dict(data=data, layout=layout(unit, _end(data)),
             smooth=family.noisy, logarithmic=family.noisy),
        parts, {n: _dash(k) for k, n in enumerate(own)})


def _evaluation(runs: list[RunRecord], name: str, rows: list[Row],
                unit: str) -> Chart:
    curves = {n: run.scalars.validation[name] for n, run in enumerate(runs)
              if name in run.scalars.validation}
    data = []
    for n, curve in curves.items():
        x, y = thin(curve)
        data.append(trace(runs, n, of_evaluation(runs[n], x, unit), y,
                          mode=_mode(x, MAX_MARKERS),
                          marker=dict(symbol=SYMBOLS[n % len(SYMBOLS)])))
        values = {entry.value for row in rows for entry in row.paper
                  if (row.run, row.metric) == (n, name)}
        ends = [0, max(runs[n].planned or 0, *curve)]
        data += [trace(runs, n, of_evaluation(runs[n], ends, unit),
                       [value] * 2, mode='lines', line=dict(dash='dot'),
                       of=', in the paper') for value in sorted(values)]
    notes = [*_coincident(runs, curves), *_blocks(curves.values())]
    if len(data) > len(curves):
        notes.append('Dotted: the value in the paper.')
    return Chart(
        TITLES.get(name, name), ' '.join(notes), _summary(runs, curves),
        dict(data=data, layout=layout(unit, _end(data)), smooth=False,
             logarithmic=False))


def _mode(x: list, markers: int = 1) -> str:
    if len(x) == 1:
        return 'markers'
    return 'lines' if len(x) > markers else 'lines+markers'


def _dash(index: int) -> str:
    return DASHES[index % len(DASHES)]


def _end(data: list[dict]) -> float:
    return max(max(line['x']) for line in data)


def _blocks(curves: Iterable[dict[int, float]]) -> list[str]:
    longest = max(map(len, curves))
    if longest <= MAX_POINTS:
        return []
    return ['In the longest run, each point is the mean of '
            f'{math.ceil(longest / MAX_POINTS)} logged values.']


def _coincident(runs: list[RunRecord], curves: dict[int, dict]) -> list[str]:
    """Name the runs whose lines coincide, so that only one is visible."""
    same: dict[tuple, list[str]] = {}
    for n, curve in curves.items():
        same.setdefault(tuple(curve.items()), []).append(runs[n].name)
    return [f'The lines of {" and ".join(names)} coincide.'
            for names in same.values() if len(names) > 1]


def _summary(runs: list[RunRecord], curves: dict[int, dict]) -> str:
    ends = []
    for n, curve in curves.items():
        (first, start), (last, end) = min(curve.items()), max(curve.items())
        ends.append(f'{runs[n].name}: {start:.4g} at {first}, {end:.4g} at '
                    f'{last}')
    return '; '.join(ends)
