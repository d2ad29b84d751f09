"""Positions of values on an x axis that all runs share."""
import math
from collections.abc import Iterable, Sequence

from .records import RunRecord

MAX_TICKS = 8


def common_unit(runs: Sequence[RunRecord]) -> str:
    """Choose what the x axes of the charts count.

    Args:
        runs (Sequence[RunRecord]): The runs.

    Returns:
        str: ``'epoch'`` if all runs count epochs, otherwise
        ``'iteration'``.
    """
    return 'epoch' if all(
        run.by_epoch and (run.scalars.per_epoch or not run.scalars.training)
        for run in runs) else 'iteration'


def of_training(run: RunRecord, steps: Iterable[float],
                unit: str) -> list[float]:
    """Get the positions of values logged during training.

    Args:
        run (RunRecord): The run.
        steps (Iterable[float]): Iterations of the values.
        unit (str): What the axis counts.

    Returns:
        list[float]: Iterations, or fractional epochs.
    """
    size = run.scalars.per_epoch if unit == 'epoch' else 1
    return [round(step / size, 4) if size > 1 else step for step in steps]


def of_evaluation(run: RunRecord, steps: Iterable[float],
                  unit: str) -> list[float]:
    """Get the positions of values measured on the validation set.

    Args:
        run (RunRecord): The run.
        steps (Iterable[float]): Epochs of the values, or iterations if the
            run counts those.
        unit (str): What the axis counts.

    Returns:
        list[float]: Epochs or iterations.
    """
    same = not run.by_epoch or unit == 'epoch'
    size = 1 if same else run.scalars.per_epoch or 1
    return [step * size for step in steps]


def layout(unit: str, end: float) -> dict:
    """Lay out the axes of a chart; the x axis starts at 0.

    Args:
        unit (str): What the x axis counts.
        end (float): Its largest value.

    Returns:
        dict: Layout for Plotly. With no more ticks than epochs, ticks are at
        whole numbers.
    """
    end = math.ceil(end)
    return dict(xaxis=dict(
        title=dict(text=unit), range=[0, 1.03 * end],
        nticks=max(2, min(MAX_TICKS, end))), yaxis={})
