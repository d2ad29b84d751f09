"""Reduce curves to as many points as a chart can show."""
import math
import statistics
from collections.abc import Iterable

MAX_POINTS = 600  # about one per pixel; more only enlarge the page


def thin(curve: dict[int, float], most: int = MAX_POINTS,
         ) -> tuple[list[int], list[float | None]]:
    """Reduce a curve to few enough points to draw.

    Args:
        curve (dict[int, float]): Value at each step.
        most (int): Largest number of points. Defaults to 600.

    Returns:
        tuple[list[int], list[float | None]]: The last step of each block of
        values, and the mean of its finite values; None if there are none.
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
    scale = max(map(abs, finite)) or 1.  # a sum of large values overflows
    return scale * statistics.fmean(value / scale for value in finite)
