"""Where the values of runs lie on an axis that all of them share."""
import math
from collections.abc import Iterable, Sequence

from .records import RunRecord

MAX_TICKS = 8


def common_unit(runs: Sequence[RunRecord]) -> str:
    """What the axes of the charts count.

    Args:
        runs (Sequence[RunRecord]): The runs.

    Returns:
        str: ``'epoch'`` if all of them count epochs, else ``'iteration'``.
    """
    return 'epoch' if all(
        run.by_epoch and (run.scalars.per_epoch or not run.scalars.training)
        for run in runs) else 'iteration'


def of_training(run: RunRecord, steps: Iterable[float],
                unit: str) -> list[float]:
    """Positions of values that were logged during training.

    Args:
        run (RunRecord): The run.
        steps (Iterable[float]): Their iterations.
        unit (str): What the axis counts.

    Returns:
        list[float]: Iterations, or epochs with decimals.
    """
    size = run.scalars.per_epoch if unit == 'epoch' else 1
    return [round(step / size, 4) if size > 1 else step for step in steps]


def of_evaluation(run: RunRecord, steps: Iterable[float],
                  unit: str) -> list[float]:
    """Positions of values that were measured on the validation set.

    Args:
        run (RunRecord): The run.
        steps (Iterable[float]): Their epochs, or iterations if the run
            counts so.
        unit (str): What the axis counts.

    Returns:
        list[float]: Epochs or iterations.
    """
    same = not run.by_epoch or unit == 'epoch'
    size = 1 if same else run.scalars.per_epoch or 1
    return [step * size for step in steps]


def layout(unit: str, end: float) -> dict:
    """Axes of a chart, from zero.

    Args:
        unit (str): What the x axis counts.
        end (float): Its largest value.

    Returns:
        dict: Layout of Plotly. Ticks are at whole numbers: there are not
        more of them than epochs.
    """
    end = math.ceil(end)
    return dict(xaxis=dict(
        title=dict(text=unit), range=[0, 1.03 * end],
        nticks=max(2, min(MAX_TICKS, end))), yaxis={})
