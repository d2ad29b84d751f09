"""Means, paired differences and corrections, known independently."""
import math

import numpy as np
import pytest
import torch
from scipy import stats

from alignmix_mm.cli.comparing.statistics import (
    holm,
    paired_difference,
    standard_error,
)


def test_standard_error_by_hand():
    assert standard_error([1., 3.]) == pytest.approx(1.)  # sd sqrt(2) / sqrt 2
    assert standard_error([2., 4., 6.]) == pytest.approx(2 / math.sqrt(3))
    assert standard_error([5.]) is None


@pytest.mark.parametrize('count', [2, 3, 7])
def test_paired_difference_is_scipys(count):
    numbers = np.random.default_rng(count)
    one, other = 80 + numbers.normal(size=(2, count))
    found = paired_difference(dict(enumerate(one)), dict(enumerate(other)))
    test = stats.ttest_rel(one, other)
    low, high = test.confidence_interval(.95)
    assert found.mean == pytest.approx((one - other).mean())
    assert found.interval == pytest.approx((low, high))
    assert found.p == pytest.approx(test.pvalue) and found.pairs == count


def test_two_pairs_in_closed_form():
    """One degree of freedom is Cauchy's distribution: t.975 = 12.706."""
    found = paired_difference({0: 3., 1: 5.}, {0: 1., 1: 1.})
    half = math.tan(math.pi * .475)  # of a standard error of 1
    assert found.interval == pytest.approx((3 - half, 3 + half))
    assert found.p == pytest.approx(1 - 2 * math.atan(3) / math.pi)


def test_only_seeds_of_both_are_paired():
    found = paired_difference({0: 9., 2: 4., 5: 1.}, {2: 1., 5: 0., 7: 8.})
    assert found.pairs == 2 and found.mean == 2
    assert paired_difference({0: 1.}, {1: 1.}) is None


@pytest.mark.parametrize('one, other', [
    ({0: 9.}, {0: 8.}), ({0: 9., 1: 8.}, {0: 9., 1: 8.}),
    ({0: .3, 1: .6, 2: .9}, {0: .1, 1: .4, 2: .7})],
    ids=['one pair', 'equal', 'all alike but for rounding'])
def test_no_spread_has_no_interval(one, other):
    found = paired_difference(one, other)
    assert found.interval is None and found.p is None


def test_holm_by_hand():
    assert holm(dict(a=.01, b=.04, c=.03, d=.005)) == pytest.approx(
        dict(d=.02, a=.03, c=.06, b=.06))  # b: .04, but not below c
    assert holm(dict(a=.6, b=.7)) == dict(a=1., b=1.)
    assert holm({}) == {} and holm(dict(a=.03)) == dict(a=.03)


def test_holm_is_never_below_p_nor_above_bonferroni():
    p = dict(enumerate(np.random.default_rng(1).random(9)**3))
    for name, value in holm(p).items():
        assert p[name] <= value <= min(1, 9 * p[name])


def test_equal_differences_in_float32_have_no_spread():
    """Two accuracies, each one image of six better."""
    low, high = (dict(enumerate(map(float, torch.tensor(values))))
                 for values in ((100 / 6, 50.), (200 / 6, 400 / 6)))
    found = paired_difference(high, low)
    assert found.mean == pytest.approx(100 / 6)
    assert found.interval is None and found.p is None
