"""Figures of the tables: ours, and those of the paper."""
import json
import math
import re
import statistics
from collections.abc import Callable
from typing import NamedTuple

from mmengine.config import Config

from ...shipped import shipped
from ..indexing.results import LAST, same_settings
from ..indexing.rows import published, rows_of
from .records import RunRecord

MAIN = 'accuracy/top1'
# what is best: of other metrics (thresholds, counts) the report does not say
BEST: dict[str, Callable] = {
    r'accuracy/.*': max,
    r'calibration/.*|.*/error_top1': min,
    r'localization/(top\d_|gtknown|mean_iou|maxboxacc|boxacc).*': max,
    r'ood/.*/(auroc|aupr|det_acc).*': max,
}
# the paper's metrics, as ours
PUBLISHED = {
    'top1_acc': (MAIN, lambda value: value),
    'top1_error': (MAIN, lambda value: 100 - value),
    'top1_loc': ('localization/top1_loc@0.15', lambda value: value),
    'MaxBoxAccV2': ('localization/maxboxaccv2', lambda value: value),
}


class Published(NamedTuple):
    """A figure of the paper.

    Attributes:
        value (float): In our unit.
        source (str): Table, data set, network and method.
        text (str): The figure as it is printed there.
    """

    value: float
    source: str
    text: str


class Row(NamedTuple):
    """A metric of a run. None is what was not measured.

    Attributes:
        run (int): Index of the run.
        metric (str): Name of the metric.
        best (float, optional): Best value of all evaluations during
            training; None too if it is not known what is better.
        best_at (int, optional): Epoch (or iteration) of it.
        last10 (float, optional): Median of the last ten evaluations, or of
            all if they are fewer; None unless there are two.
        evaluations (int): How many of them are in the median.
        last (float, optional): Value of the last evaluation.
        tested (float, optional): Value of the latest test.
        paper (tuple[Published, ...]): What the paper reports.
    """

    run: int
    metric: str
    best: float | None
    best_at: int | None
    last10: float | None
    evaluations: int
    last: float | None
    tested: float | None
    paper: tuple[Published, ...]


def row_of(index: int, run: RunRecord, metric: str,
           paper: tuple[Published, ...]) -> Row:
    """Figures of one metric of one run.

    Args:
        index (int): Index of the run.
        run (RunRecord): The run.
        metric (str): Name of the metric.
        paper (tuple[Published, ...]): What the paper reports of it.

    Returns:
        Row: The figures.
    """
    values = dict(sorted(run.scalars.validation.get(metric, {}).items()))
    finite = {k: v for k, v in values.items() if math.isfinite(v)}
    last = list(values.values())[-LAST:]
    best_of = next((function for pattern, function in BEST.items()
                    if re.fullmatch(pattern, metric)), None)
    best_at = best_of(finite, key=finite.get) if best_of and finite else None
    return Row(
        index, metric, finite.get(best_at), best_at, _median(last), len(last),
        last[-1] if last else None,
        next((figures[metric] for figures in reversed(run.tests.values())
              if metric in figures), None), paper)


def _median(values: list[float]) -> float | None:
    """None of less than two; NaN if one is not finite, as has no order."""
    if len(values) < 2:
        return None
    if not all(map(math.isfinite, values)):
        return math.nan
    # halves, for the sum of large ones overflows
    return (statistics.median_low(values) / 2
            + statistics.median_high(values) / 2)


def paper_values(config_name: str) -> dict[str, tuple[Published, ...]]:
    """What the paper reports of a config of this repository.

    Args:
        config_name (str): Stem of its file.

    Returns:
        dict[str, tuple[Published, ...]]: By our name of the metric.
    """
    records = json.loads((
        shipped() / 'configs' / 'published.json').read_text())
    found: dict[str, tuple[Published, ...]] = {}
    for row in rows_of(config_name):
        for name, value in published(row, records).items():
            metric, ours = PUBLISHED[name]
            entry = Published(ours(value), str(row),
                              f'{name.replace("_", " ")} {value:.2f}')
            found[metric] = (*found.get(metric, ()), entry)
    return found


def table(runs: list[RunRecord]) -> list[Row]:
    """All metrics of all runs, accuracy first, runs side by side.

    Args:
        runs (list[RunRecord]): The runs.

    Returns:
        list[Row]: For each metric, a row of each run that measured it or
        that the paper has a figure of.
    """
    papers = [paper_values(run.config_name) for run in runs]
    metrics = [{*run.scalars.validation, *paper,
                *(name for figures in run.tests.values() for name in figures)}
               for run, paper in zip(runs, papers)]
    names = sorted(set().union(*metrics),
                   key=lambda name: (name != MAIN, name))
    return [row_of(index, run, name, papers[index].get(name, ()))
            for name in names for index, run in enumerate(runs)
            if name in metrics[index]]


def changed_settings(run: RunRecord) -> bool | None:
    """Whether a run had other settings than the config of its name.

    Args:
        run (RunRecord): The run.

    Returns:
        bool, optional: None if that cannot be said: there is no such config,
        or one of the two has no training.
    """
    file = next((shipped() / 'configs').rglob(f'{run.config_name}.py'), None)
    if file is None or run.config is None:
        return None
    try:
        return not same_settings(run.config, Config.fromfile(
            file, import_custom_modules=False))
    except (AttributeError, TypeError):  # of a config of any kind
        return None
