"""Means over seeds, and what they say about differences."""
import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import NamedTuple

from scipy.stats import t as student

LEVEL = .95
# A spread below this share of the values is rounding: figures are float32.
_ROUNDING = 1e-6


class Difference(NamedTuple):
    """Mean difference of pairs of runs.

    Attributes:
        mean (float): The mean.
        pairs (int): How many pairs there are.
        interval (tuple[float, float], optional): Interval of 95 %, by
            Student's t. None for a single pair, or if all pairs have the same
            difference, which does not show how much it varies.
        p (float, optional): Of the two-sided test whether it is zero.
    """

    mean: float
    pairs: int
    interval: tuple[float, float] | None
    p: float | None


def standard_error(values: Sequence[float]) -> float | None:
    """Standard error of a mean.

    Args:
        values (Sequence[float]): One for each seed.

    Returns:
        float, optional: None for a single value.
    """
    if len(values) < 2:
        return None
    return stdev(values) / math.sqrt(len(values))


def paired_difference(values: Mapping[int, float],
                      reference: Mapping[int, float]) -> Difference | None:
    """How much a method differs from a reference, seed by seed.

    Args:
        values (Mapping[int, float]): Of the method, by seed.
        reference (Mapping[int, float]): Of the reference, by seed.

    Returns:
        Difference, optional: Of the seeds that both have; None if there is
        none.
    """
    pairs = [(values[seed], reference[seed]) for seed in sorted(values)
             if seed in reference]
    if not pairs:
        return None
    differences = [one - other for one, other in pairs]
    mean, error = fmean(differences), standard_error(differences)
    scale = max(abs(value) for pair in pairs for value in pair)
    if error is None or error <= _ROUNDING * scale:
        return Difference(mean, len(pairs), None, None)
    freedom = len(pairs) - 1
    half = float(student.ppf((1 + LEVEL) / 2, freedom)) * error
    p = 2 * float(student.sf(abs(mean) / error, freedom))
    return Difference(mean, len(pairs), (mean - half, mean + half), p)


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Correct p-values of several tests by Holm's method (1979).

    Args:
        p (Mapping[str, float]): By name.

    Returns:
        dict[str, float]: Corrected: the k-th smallest of m is multiplied by
        m - k + 1, none is less than a smaller one before it, none above 1.
    """
    corrected, largest = {}, 0.
    for rank, name in enumerate(sorted(p, key=p.__getitem__)):
        largest = max(largest, min(1., (len(p) - rank) * p[name]))
        corrected[name] = largest
    return corrected
