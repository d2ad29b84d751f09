"""Calibration: is a confidence of 80 % right in 80 % of the cases?"""
import reprlib
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import to_numpy

# Largest errors of a probability, and of a sum of many, from rounding to half
# precision. Larger errors are rejected.
ROUNDING, ROUNDING_OF_SUM = 1e-3, 0.05


class BinStatistics(NamedTuple):
    """Confidence and accuracy in bins of equal width.

    Bin ``m`` holds the confidences in ``(edges[m], edges[m + 1]]``.

    Attributes:
        edges (np.ndarray): ``(n_bins + 1, )``, float64, from 0 to 1.
        count (np.ndarray): Number of samples in each bin, ``(n_bins, )``,
            int64.
        conf (np.ndarray): Mean confidence, ``(n_bins, )``, float64; NaN in
            an empty bin.
        acc (np.ndarray): Fraction of correct predictions, likewise.
    """

    edges: np.ndarray
    count: np.ndarray
    conf: np.ndarray
    acc: np.ndarray

    @property
    def ece(self) -> float:
        """See :func:`expected_calibration_error`."""
        return self._average(np.abs(self.acc - self.conf))

    @property
    def oe(self) -> float:
        """See :func:`overconfidence_error`."""
        return self._average(self.conf * np.maximum(self.conf - self.acc, 0))

    def to_dict(self) -> dict:
        """All values as lists, for JSON; None in an empty bin."""
        def plain(values: np.ndarray) -> list:
            return [None if np.isnan(v) else v for v in values.tolist()]

        return dict(ece=self.ece, oe=self.oe, edges=self.edges.tolist(),
                    count=self.count.tolist(), conf=plain(self.conf),
                    acc=plain(self.acc))

    @classmethod
    def from_dict(cls, table: dict) -> 'BinStatistics':
        """The inverse of :meth:`to_dict`.

        Args:
            table (dict): Result of :meth:`to_dict`.

        Returns:
            BinStatistics: The table.

        Raises:
            ValueError: If ``table`` is not such a result.
        """
        try:
            found = cls(*(np.array(table[name], dtype=np.float64)
                          for name in cls._fields))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                'Expected a table of `edges`, `count`, `conf` and `acc`, but '
                f'got {reprlib.repr(table)}.') from error
        found._check()
        return found._replace(count=found.count.astype(np.int64))

    def _check(self) -> None:
        """Raise if the numbers are invalid for a table."""
        edges, count, *means = self
        if count.ndim != 1 or any(x.shape != count.shape for x in means) or (
                edges.shape != (len(count) + 1, )):
            raise ValueError(
                'Expected n + 1 `edges`, and n of `count`, `conf` and `acc`, '
                f'but got shapes {[x.shape for x in self]}.')
        if not (_is_probability(edges).all() and (np.diff(edges) > 0).all()):
            raise ValueError('Expected `edges` that increase from 0 to 1, but '
                             f'got {reprlib.repr(edges.tolist())}.')
        if not ((count >= 0) & (count < 2**53) & (count % 1 == 0)
                ).all() or not count.any():
            raise ValueError('Expected `count` to be numbers of samples, not '
                             'all 0, but got '
                             f'{reprlib.repr(count.tolist())}.')
        if not all(_is_probability(x[count > 0]).all() for x in means):
            raise ValueError('Expected `conf` and `acc` from 0 to 1 where '
                             '`count` is not 0.')

    def _average(self, values: np.ndarray) -> float:
        filled = self.count > 0
        weights = self.count[filled] / self.count.sum()
        return float(weights @ values[filled])


def bin_statistics(probs: ArrayLike,
                   labels: ArrayLike,
                   n_bins: int = 15) -> BinStatistics:
    """Confidence (the largest probability) and accuracy in bins.

    Args:
        probs (ArrayLike | Tensor): Probabilities, ``(N, K)``, any floating
            dtype.
        labels (ArrayLike | Tensor): True classes, ``(N, )``, integers.
        n_bins (int): Number of bins. Defaults to 15 (Guo et al., 2017).

    Returns:
        BinStatistics: In float64, for ``probs`` of any precision.

    Raises:
        ValueError: If there are no samples, shapes do not match,
            probabilities are not between 0 and 1 or do not sum to 1, labels
            are not classes, or ``n_bins`` is not a positive integer.
    """
    probs, labels = to_numpy(probs), to_numpy(labels)
    _check(probs, labels)
    predicted = probs.argmax(1)  # the first one of a tie
    confidence = np.take_along_axis(probs, predicted[:, None], 1)[:, 0]
    return bin_confidences(confidence, predicted == labels, n_bins)


def bin_confidences(confidence: ArrayLike,
                    correct: ArrayLike,
                    n_bins: int = 15) -> BinStatistics:
    """Bin confidences that are already known.

    Args:
        confidence (ArrayLike | Tensor): Largest probability of each sample,
            ``(N, )``, any floating dtype.
        correct (ArrayLike | Tensor): Whether its class is correct, ``(N, )``,
            bool.
        n_bins (int): Number of bins. Defaults to 15.

    Returns:
        BinStatistics: In float64.

    Raises:
        ValueError: If there are no samples, a confidence is not between 0 and
            1, or ``n_bins`` is not a positive integer.
    """
    confidence = to_numpy(confidence).astype(np.float64)
    correct = to_numpy(correct).astype(np.float64)
    if not isinstance(n_bins, (int, np.integer)) or n_bins < 1:
        raise ValueError(f'Expected `n_bins` to be an integer >= 1, but got '
                         f'{n_bins!r}.')
    bad = int((~_is_probability(confidence)).sum())
    if not len(confidence) or bad:
        raise ValueError('Expected at least one sample and confidences '
                         f'between 0 and 1, but got {len(confidence)} '
                         f'samples, {bad} of them outside this range or not '
                         'finite.')
    edges = np.arange(n_bins + 1) / n_bins
    # 'left': a value on an edge belongs to the bin that ends there
    index = np.searchsorted(edges[1:-1], confidence, side='left')
    count = np.bincount(index, minlength=n_bins)
    with np.errstate(invalid='ignore'):  # 0 / 0 is NaN: the bin is empty
        conf = np.bincount(index, confidence, n_bins) / count
        acc = np.bincount(index, correct, n_bins) / count
    return BinStatistics(edges, count, conf, acc)


def expected_calibration_error(probs: ArrayLike,
                               labels: ArrayLike,
                               n_bins: int = 15) -> float:
    r"""Mean difference of confidence and accuracy, Guo et al. (2017).

    .. math::
        ECE = \sum_m \frac{|B_m|}{n} |acc(B_m) - conf(B_m)|

    for bins :math:`B_m` of n samples.

    Args:
        probs (ArrayLike | Tensor): Probabilities, ``(N, K)``, floats.
        labels (ArrayLike | Tensor): True classes, ``(N, )``, integers.
        n_bins (int): Number of bins. Defaults to 15.

    Returns:
        float: A fraction; 0 is best.

    Raises:
        ValueError: See :func:`bin_statistics`.
    """
    return bin_statistics(probs, labels, n_bins).ece


def overconfidence_error(probs: ArrayLike,
                         labels: ArrayLike,
                         n_bins: int = 15) -> float:
    r"""Confidence in excess of accuracy, Thulasidasan et al. (2019).

    .. math::
        OE = \sum_m \frac{|B_m|}{n} conf(B_m) \max(conf(B_m) - acc(B_m), 0)

    for bins :math:`B_m` of n samples.

    Args:
        probs (ArrayLike | Tensor): Probabilities, ``(N, K)``, floats.
        labels (ArrayLike | Tensor): True classes, ``(N, )``, integers.
        n_bins (int): Number of bins. Defaults to 15; the authors used 100.

    Returns:
        float: A fraction; 0 is best. It never exceeds the ECE.

    Raises:
        ValueError: See :func:`bin_statistics`.
    """
    return bin_statistics(probs, labels, n_bins).oe


def _check(probs: np.ndarray, labels: np.ndarray) -> None:
    if probs.ndim != 2 or labels.shape != probs.shape[:1] or not probs.size:
        raise ValueError(
            'Expected `probs` of shape (N, K) and `labels` of shape (N, ) '
            f'with at least one sample, but got {probs.shape} and '
            f'{labels.shape}.')
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError('Expected `labels` to be integers, but got '
                         f'{labels.dtype}.')
    if labels.min() < 0 or labels.max() >= probs.shape[1]:
        raise ValueError(
            f'Expected `labels` from 0 to {probs.shape[1] - 1}, but got '
            f'{labels.min()} to {labels.max()}.')
    low, high = probs.min(), probs.max()  # NaN if a probability is NaN
    sums = probs.sum(1, dtype=np.float64)
    unfit = ~(np.abs(sums - 1) <= ROUNDING_OF_SUM)
    if not _is_probability(np.array([low, high])).all() or unfit.any():
        raise ValueError(
            'Expected probabilities between 0 and 1 with sum 1, but got '
            f'{low} to {high}; {int(unfit.sum())} of {len(probs)} rows have a '
            'different sum or are not finite. Apply a softmax to logits '
            'first.')


def _is_probability(values: np.ndarray) -> np.ndarray:
    return (values >= -ROUNDING) & (values <= 1 + ROUNDING)  # False for NaN
