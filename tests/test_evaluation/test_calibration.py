"""Calibration against loops over the definitions and scikit-learn."""
import math

import numpy as np
import pytest
import torch

from alignmix_mm.evaluation.functional import (
    bin_confidences,
    bin_statistics,
    expected_calibration_error,
    overconfidence_error,
)

EXACT = 1e-12  # float64 sums of some hundred numbers below 1
CASES = [(1, 1.), (2, 3.), (7, .1), (15, 1.), (15, 30.), (100, 3.)]


def problem(scale=2., right=.6, n=203, classes=7):
    """Probabilities, and labels of which about `right` are right."""
    logits = np.random.randn(n, classes) * scale
    probs = np.exp(logits - logits.max(1, keepdims=True))
    probs /= probs.sum(1, keepdims=True)
    others = (probs.argmax(1) + np.random.randint(1, classes, n)) % classes
    labels = np.where(np.random.rand(n) < right, probs.argmax(1), others)
    return probs, labels


def rows(confidence):
    """Rows of two classes with the first one on top."""
    confidence = np.asarray(confidence)
    return np.stack([confidence, 1 - confidence], 1)


def table_by_loops(probs, labels, n_bins):
    """Count, confidence and accuracy of each bin, from Python floats."""
    table = []
    confidence = [max(row) for row in probs.tolist()]
    correct = [row.index(max(row)) == label
               for row, label in zip(probs.tolist(), labels.tolist())]
    for m in range(1, n_bins + 1):
        members = [i for i, c in enumerate(confidence)
                   if (m - 1) / n_bins < c <= m / n_bins]
        table.append((
            len(members),
            math.fsum(confidence[i] for i in members) / (len(members) or 1),
            sum(correct[i] for i in members) / (len(members) or 1)))
    return table


@pytest.mark.parametrize('n_bins, scale', CASES)
def test_table_and_errors_equal_loops_over_the_definition(n_bins, scale):
    probs, labels = problem(scale)
    table = bin_statistics(probs, labels, n_bins)
    expected = table_by_loops(probs, labels, n_bins)
    n = len(labels)
    assert table.count.tolist() == [count for count, _, _ in expected]
    assert table.edges.tolist() == [m / n_bins for m in range(n_bins + 1)]
    for conf, acc, (count, *means) in zip(table.conf, table.acc, expected):
        if count:
            assert [conf, acc] == pytest.approx(means, abs=EXACT)
        else:
            assert math.isnan(conf) and math.isnan(acc)
    ece = math.fsum(k / n * abs(a - c) for k, c, a in expected)
    oe = math.fsum(k / n * c * max(c - a, 0) for k, c, a in expected)
    assert [table.ece, table.oe] == pytest.approx([ece, oe], abs=EXACT)
    assert expected_calibration_error(probs, labels, n_bins) == table.ece
    assert overconfidence_error(probs, labels, n_bins) == table.oe


def test_agrees_with_scikit_learn():
    curve = pytest.importorskip('sklearn.calibration').calibration_curve
    probs, labels = problem()
    table = bin_statistics(probs, labels)
    acc, conf = curve(probs.argmax(1) == labels, probs.max(1), n_bins=15)
    filled = table.count > 0
    np.testing.assert_allclose(table.acc[filled], acc, atol=EXACT, rtol=0)
    np.testing.assert_allclose(table.conf[filled], conf, atol=EXACT, rtol=0)


def test_fifteen_bins_unless_told():
    probs, labels = problem()
    assert len(bin_statistics(probs, labels).count) == 15
    for function in (expected_calibration_error, overconfidence_error):
        assert function(probs, labels) == function(probs, labels, 15)
        assert function(probs, labels) != function(probs, labels, 14)


@pytest.mark.parametrize('right', [.2, .6, .97])
@pytest.mark.parametrize('n_bins, scale', CASES)
def test_overconfidence_and_the_gap_of_means_bound_it(n_bins, scale, right):
    probs, labels = problem(scale, right)
    table = bin_statistics(probs, labels, n_bins)
    above = np.nansum(table.count * np.maximum(table.conf - table.acc, 0))
    mean_gap = abs(probs.max(1).mean() - (probs.argmax(1) == labels).mean())
    above /= len(labels)
    assert 0 <= table.oe <= above + EXACT <= table.ece + 2 * EXACT
    assert mean_gap <= table.ece + EXACT
    if n_bins == 1:
        assert table.ece == pytest.approx(mean_gap, abs=EXACT)


@pytest.mark.parametrize('n_bins', [1, 5, 15])
@pytest.mark.parametrize('factor', [2, 3, 7])
def test_finer_bins_never_lower_the_error(n_bins, factor):
    probs, labels = problem(1.)
    coarse, fine = (expected_calibration_error(probs, labels, n)
                    for n in (n_bins, factor * n_bins))
    assert fine >= coarse - EXACT


@pytest.mark.parametrize('n_bins', [1, 15, 49])
def test_all_right_and_all_wrong(n_bins):
    probs, labels = problem(right=1.)
    confidence = probs.max(1).mean()
    table = bin_statistics(probs, labels, n_bins)
    assert [table.ece, table.oe] == pytest.approx(
        [1 - confidence, 0], abs=EXACT)
    table = bin_statistics(probs, (labels + 1) % 7, n_bins)
    squares = np.nansum(table.count * table.conf**2) / len(labels)
    assert [table.ece, table.oe] == pytest.approx(
        [confidence, squares], abs=EXACT)


def test_order_of_the_samples_does_not_matter():
    probs, labels = problem(n=1003)
    order = np.random.permutation(1003)
    table, other = (bin_statistics(probs, labels),
                    bin_statistics(probs[order], labels[order]))
    assert [table.ece, table.oe] == pytest.approx(
        [other.ece, other.oe], abs=EXACT)


@pytest.mark.parametrize('n_bins', [2, 3, 5, 10, 15, 49, 100])
def test_an_edge_belongs_to_the_bin_that_ends_there(n_bins):
    edges = np.array([m / n_bins for m in range(1, n_bins + 1)])
    assert bin_confidences(edges, edges > 0, n_bins).count.tolist() == [
        1] * n_bins
    above = np.nextafter(edges[:-1], 1)
    assert bin_confidences(above, above > 0, n_bins).count.tolist() == [
        0] + [1] * (n_bins - 1)


def test_edges_in_closed_form():
    # wrong at .5, right at .75, wrong at 1: with [lo, hi) the last two would
    # share a bin and cancel in part
    table = bin_statistics(rows([.5, .75, 1.]), [1, 0, 1], 4)
    assert table.count.tolist() == [0, 1, 1, 1]
    assert table.ece == pytest.approx((.5 + .25 + 1) / 3, abs=EXACT)
    assert table.oe == pytest.approx((.5 * .5 + 0 + 1) / 3, abs=EXACT)


def test_full_confidence_stays_in_the_last_bin():
    # 90 of 100 right at 1, all of 100 right at .95: |.95 - .975|
    table = bin_statistics(rows([1.] * 100 + [.95] * 100),
                           [0] * 90 + [1] * 10 + [0] * 100)
    assert table.count.tolist() == [0] * 14 + [200]
    assert table.ece == pytest.approx(.025, abs=EXACT)
    rounded = bin_statistics([[1 + 2**-23, 0.]], [0])  # a float32 softmax
    assert rounded.count[-1] == 1


def test_one_sample_is_its_own_gap():
    for label, gap in [(0, .3), (1, .7)]:
        table = bin_statistics([[.7, .3]], [label], 10)
        assert np.isnan(table.conf).sum() == np.isnan(table.acc).sum() == 9
        assert table.ece == pytest.approx(gap, abs=EXACT)
        assert table.oe == pytest.approx(.49 * label, abs=EXACT)


def test_one_class_is_always_right():
    table = bin_statistics(np.ones((5, 1)), [0] * 5)
    assert (table.ece, table.oe, table.acc[-1]) == (0, 0, 1)


def test_first_class_of_a_tie_is_predicted():
    thirds = [[.4, .4, .2], [.2, .4, .4], [.4, .2, .4]]
    table = bin_statistics(thirds, [0, 1, 2], 1)
    assert table.acc[0] == pytest.approx(2 / 3, abs=EXACT)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16,
                                   torch.float32, torch.float64])
def test_any_precision_is_the_float64_result_of_its_values(dtype):
    probs, labels = problem()
    probs = torch.from_numpy(probs).to(dtype).requires_grad_()
    table = bin_statistics(probs, torch.from_numpy(labels))
    exact = bin_statistics(probs.detach().double().numpy(), labels)
    for values, expected in zip(table, exact):
        assert values.dtype == expected.dtype
        np.testing.assert_array_equal(values, expected)
    assert table.conf.dtype == table.acc.dtype == np.float64
    assert isinstance(table.ece, float) and isinstance(table.oe, float)


def test_lists_and_small_integers_will_do():
    probs, labels = problem(n=31)
    expected = bin_statistics(probs, labels)
    for given in (labels.tolist(), labels.astype(np.uint8)):
        table = bin_statistics(probs.tolist(), given)
        assert (table.ece, table.oe) == (expected.ece, expected.oe)


def test_known_confidences_give_the_same_table():
    probs, labels = problem()
    confidence, predicted = torch.from_numpy(probs).max(1)
    table = bin_confidences(confidence, predicted == torch.tensor(labels), 9)
    for values, expected in zip(table, bin_statistics(probs, labels, 9)):
        np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize('probs, labels, message', [
    (np.ones((0, 3)), np.ones(0, int), 'at least one sample'),
    (np.ones((2, 0)), [0, 0], 'at least one sample'),
    ([.5, .5], [0, 1], r'\(N, K\)'),
    ([[.5, .5]], [0, 1], r'\(N, \).*but got \(1, 2\) and \(2,\)'),
    ([[.5, .5]], [[0]], r'\(N, \)'),
    ([[.5, .5]], [0.], 'integers'),
    ([[.5, .5]], [2], 'from 0 to 1, but got 2 to 2'),
    ([[.5, .5]], [-1], 'from 0 to 1, but got -1'),
    ([[.5, .5], [math.nan, .5]], [0, 0], '1 of 2 rows'),
    ([[.5, .5], [math.inf, .5]], [0, 0], '1 of 2 rows'),
    ([[.5, .5], [.5, -math.inf]], [0, 0], '1 of 2 rows'),
    ([[1.5, .5]], [0], 'softmax'),
    ([[.5, -.5]], [0], 'softmax'),
    ([[.9, .1, 0], [.2, .8, .3]], [0, 1], '1 of 2 rows.*softmax'),
])
def test_what_is_no_probability_is_refused(probs, labels, message):
    for function in (bin_statistics, expected_calibration_error,
                     overconfidence_error):
        with pytest.raises(ValueError, match=message):
            function(probs, labels)


@pytest.mark.parametrize(
    'confidence', [[], [math.nan, .5], [math.inf], [3., .5], [-.2]])
def test_confidences_have_to_be_there_and_probabilities(confidence):
    with pytest.raises(ValueError, match='at least one sample.*0 and 1'):
        bin_confidences(confidence, [1] * len(confidence))


@pytest.mark.parametrize('n_bins', [0, -3, 2.5, '15'])
def test_bins_are_counted(n_bins):
    with pytest.raises(ValueError, match='`n_bins`.* integer >= 1'):
        bin_confidences([.5], [1], n_bins)
