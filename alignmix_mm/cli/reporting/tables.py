"""Values for the tables: ours and those of the paper."""
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
# which value is best; not defined for other metrics (thresholds, counts)
BEST: dict[str, Callable] = {
    r'accuracy/.*': max,
    r'calibration/.*|.*/error_top1': min,
    r'localization/(top\d_|gtknown|mean_iou|maxboxacc|boxacc).*': max,
    r'ood/.*/(auroc|aupr|det_acc).*': max,
}
# metrics of the paper: our name, and the conversion to our unit
PUBLISHED = {
    'top1_acc': (MAIN, lambda value: value),
    'top1_error': (MAIN, lambda value: 100 - value),
    'top1_loc': ('localization/top1_loc@0.15', lambda value: value),
    'MaxBoxAccV2': ('localization/maxboxaccv2', lambda value: value),
}


class Published(NamedTuple):
    """A value published in the paper.

    Attributes:
        value (float): The value in our unit.
        source (str): Table, data set, network and method.
        text (str): The value as printed in the paper.
    """

    value: float
    source: str
    text: str


class Row(NamedTuple):
    """A metric of a run. None means not measured.

    Attributes:
        run (int): Index of the run.
        metric (str): Name of the metric.
        best (float, optional): Best value of all evaluations during
            training; None also if the metric has no better direction.
        best_at (int, optional): Epoch (or iteration) of the best value.
        last10 (float, optional): Median of the last ten evaluations, or of
            all if there are fewer; None if there are fewer than two.
        evaluations (int): Number of evaluations in the median.
        last (float, optional): Value of the last evaluation.
        tested (float, optional): Value of the latest test.
        paper (tuple[Published, ...]): Values that the paper reports.
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
    """Make the row of one metric of one run.

    Args:
        index (int): Index of the run.
        run (RunRecord): The run.
        metric (str): Name of the metric.
        paper (tuple[Published, ...]): Values that the paper reports.

    Returns:
        Row: The row.
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
    """None for fewer than two values; NaN if one is not finite."""
    if len(values) < 2:
        return None
    if not all(map(math.isfinite, values)):
        return math.nan
    # halve first, because the sum of large values overflows
    return (statistics.median_low(values) / 2
            + statistics.median_high(values) / 2)


def paper_values(config_name: str) -> dict[str, tuple[Published, ...]]:
    """Find what the paper reports for a config of this repository.

    Args:
        config_name (str): Name of its file without suffix.

    Returns:
        dict[str, tuple[Published, ...]]: Values by our name of the metric.
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
    """Make the rows of all metrics of all runs, accuracy first.

    Args:
        runs (list[RunRecord]): The runs.

    Returns:
        list[Row]: For each metric, one row per run that measured it or for
        which the paper reports it.
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
    """Check whether a run's settings differ from the config of its name.

    Args:
        run (RunRecord): The run.

    Returns:
        bool, optional: None if they cannot be compared: there is no such
        config, or one of the two does not train.
    """
    file = next((shipped() / 'configs').rglob(f'{run.config_name}.py'), None)
    if file is None or run.config is None:
        return None
    try:
        return not same_settings(run.config, Config.fromfile(
            file, import_custom_modules=False))
    except (AttributeError, TypeError):  # a config without these parts
        return None
