"""From the results of runs to one row for each method."""
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from .statistics import holm, paired_difference, standard_error

SIGNIFICANT = .05
MEANS = ('seconds_per_step', 'memory_mib', 'training_loss')


def summarize(runs: Iterable[dict[str, Any]], methods: Sequence[str],
              reference: str) -> list[dict[str, Any]]:
    """Compare methods.

    Args:
        runs (Iterable[dict]): Results of complete runs.
        methods (Sequence[str]): The methods, in the order of the table.
        reference (str): The one that others are compared with.

    Returns:
        list[dict]: For each method ``method``, ``runs``, ``diverged`` (how
        many), ``figures``, the means of ``MEANS``, and ``steps`` and ``lr``
        of its runs. A figure has ``mean``,
        ``standard_error``, ``runs`` and, beside the reference,
        ``difference``: ``mean``, ``pairs``, ``interval``, ``p``,
        ``p_holm`` and ``star``. What cannot be said is None.
    """
    by_method: dict[str, list[dict]] = {name: [] for name in methods}
    for run in runs:
        by_method[run['method']].append(run)
    names = list(dict.fromkeys(
        name for runs in by_method.values() for run in runs
        for name in run['figures']))
    table = [_row(method, found) for method, found in by_method.items()]
    for name in names:
        values = {method: _by_seed(found, name)
                  for method, found in by_method.items()}
        differences = _differences(values, reference)
        for row in table:
            of_method = values[row['method']]
            if of_method:
                row['figures'][name] = dict(
                    mean=fmean(of_method.values()),
                    standard_error=standard_error([*of_method.values()]),
                    runs=len(of_method),
                    difference=differences.get(row['method']))
    return table


def _row(method: str, runs: list[dict]) -> dict[str, Any]:
    means = {}
    for name in MEANS:
        values = [run[name] for run in runs if name in run]
        means[name] = fmean(values) if values else None
    return dict(method=method, runs=len(runs), diverged=sum(
        'diverged' in run for run in runs), figures={}, **means, **{
            key: runs[0][key] if runs else None for key in ('steps', 'lr')})


def _by_seed(runs: list[dict], name: str) -> dict[int, float]:
    return {run['seed']: run['figures'][name] for run in runs
            if run['figures'].get(name) is not None}


def _differences(values: dict[str, dict[int, float]],
                 reference: str) -> dict[str, dict[str, Any]]:
    """Of one figure; the correction is for all methods that are tested."""
    found = {}
    for method, of_method in values.items():
        if method != reference:
            difference = paired_difference(
                of_method, values.get(reference, {}))
            if difference is not None:
                found[method] = difference
    corrected = holm({method: difference.p
                      for method, difference in found.items()
                      if difference.p is not None})
    return {method: dict(
        difference._asdict(), p_holm=corrected.get(method),
        star=corrected.get(method, 1.) < SIGNIFICANT)
        for method, difference in found.items()}
