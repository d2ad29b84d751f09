"""Detection metrics against brute force over pairs and thresholds."""
import math
import sys

import numpy as np
import pytest
import torch

from alignmix_mm.evaluation.functional import ood_metrics

EXACT = 1e-12  # float64 sums of some hundred numbers below 1


def scores(kind):
    """Scores (ID, OOD) in (0, 1), the first ones higher on average."""
    n_id, n_ood = dict(rare=(160, 8), common=(9, 140), pair=(1, 1)).get(
        kind, (83, 61))
    inside = np.random.beta(5, 2, n_id)
    outside = np.random.beta(3, 4, n_ood)
    if kind == 'ties':
        inside, outside = inside.round(1), outside.round(1)
    elif kind == 'saturated':  # most scores are exactly 1
        inside, outside = (np.minimum(3 * inside, 1),
                           np.minimum(1.5 * outside, 1))
    return inside, outside


KINDS = ['distinct', 'ties', 'saturated', 'rare', 'common', 'pair']


def average_precision(positive, negative, equal_prior=False):
    """Steps of recall times precision, all samples of a tie at once."""
    weight = len(positive) / len(negative) if equal_prior else 1.
    area = before = 0.
    for threshold in sorted({*positive, *negative}, reverse=True):
        hits = sum(s >= threshold for s in positive)
        alarms = sum(s >= threshold for s in negative) * weight
        recall = hits / len(positive)
        area += (recall - before) * hits / (hits + alarms)
        before = recall
    return area


def accuracy(inside, outside, threshold):
    return (sum(s >= threshold for s in inside) / len(inside)
            + sum(s < threshold for s in outside) / len(outside)) / 2


@pytest.mark.parametrize('kind', KINDS)
def test_area_under_roc_counts_pairs(kind):
    inside, outside = scores(kind)
    wins = sum((a > b) + (a == b) / 2 for a in inside for b in outside)
    assert ood_metrics(inside, outside)['auroc'] == pytest.approx(
        wins / len(inside) / len(outside), abs=EXACT)


@pytest.mark.parametrize('kind', KINDS)
def test_area_under_precision_recall_is_a_sum_of_steps(kind):
    inside, outside = scores(kind)
    result = ood_metrics(inside, outside, equal_prior=True)
    for suffix, equal in [('', False), ('_equal_prior', True)]:
        assert result[f'aupr_id{suffix}'] == pytest.approx(
            average_precision(inside, outside, equal), abs=EXACT)
        assert result[f'aupr_ood{suffix}'] == pytest.approx(
            average_precision(-outside, -inside, equal), abs=EXACT)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('threshold', [.3, .5, .7, 1.])
def test_detection_accuracy_of_a_threshold(kind, threshold):
    inside, outside = scores(kind)
    result = ood_metrics(inside, outside, threshold)
    right = (sum(s >= threshold for s in inside)
             + sum(s < threshold for s in outside))
    assert result['det_acc'] == pytest.approx(
        accuracy(inside, outside, threshold), abs=EXACT)
    assert result['det_acc_pooled'] == pytest.approx(
        right / (len(inside) + len(outside)), abs=EXACT)


@pytest.mark.parametrize('kind', KINDS)
def test_best_threshold_is_the_best_of_all(kind):
    inside, outside = scores(kind)
    result = ood_metrics(inside, outside)
    best = max(accuracy(inside, outside, t)
               for t in [*inside, *outside, math.inf])
    assert result['det_acc_best'] == pytest.approx(best, abs=EXACT)
    assert accuracy(inside, outside, result['best_threshold']) == (
        pytest.approx(best, abs=EXACT))
    # any curve with this area reaches that far
    assert best >= 1 - math.sqrt((1 - result['auroc']) / 2) - EXACT


@pytest.mark.parametrize('kind', KINDS)
def test_roles_can_be_swapped(kind):
    inside, outside = scores(kind)
    there = ood_metrics(inside, outside, equal_prior=True)
    back = ood_metrics(-outside, -inside, equal_prior=True)
    for name, other in [('auroc', 'auroc'), ('aupr_id', 'aupr_ood'),
                        ('aupr_ood', 'aupr_id'), ('n_id', 'n_ood'),
                        ('aupr_id_equal_prior', 'aupr_ood_equal_prior'),
                        ('det_acc_best', 'det_acc_best')]:
        assert there[name] == pytest.approx(back[other], abs=EXACT)


@pytest.mark.parametrize('transform', [
    lambda s: 100 * s, lambda s: s**3, np.log, lambda s: s - 7,
    lambda s: s * 1e-20,  # 1 - s would make ties of them,
    lambda s: .5 + s * 1e-9,  # and float32 of these
])
def test_only_the_order_of_scores_matters(transform):
    inside, outside = scores('distinct')
    before = ood_metrics(inside, outside, equal_prior=True)
    after = ood_metrics(transform(inside), transform(outside),
                        equal_prior=True)
    for name in before.keys() - {'det_acc', 'det_acc_pooled',
                                 'best_threshold'}:
        assert after[name] == pytest.approx(before[name], abs=EXACT), name
    assert after['best_threshold'] == pytest.approx(
        transform(before['best_threshold']), rel=EXACT)


def test_order_of_samples_does_not_matter():
    inside, outside = scores('ties')
    result = ood_metrics(inside, outside)
    assert ood_metrics(np.random.permutation(inside),
                       np.sort(outside)) == pytest.approx(result, abs=EXACT)


def test_separated_sets():
    result = ood_metrics([.7, .9], [.1, .2, .3], .6, equal_prior=True)
    assert result.pop('best_threshold') == .7
    assert (result.pop('n_id'), result.pop('n_ood')) == (2, 3)
    assert result == pytest.approx(dict.fromkeys(result, 1), abs=EXACT)


def test_inverted_scores_are_as_bad_as_can_be():
    n, m = 7, 5
    result = ood_metrics(np.linspace(.1, .2, n), np.linspace(.8, .9, m))
    assert (result['auroc'], result['det_acc']) == (0, 0)
    assert result['det_acc_best'] == .5  # one answer for everything
    assert result['aupr_id'] == pytest.approx(
        sum(k / (m + k) for k in range(1, n + 1)) / n, abs=EXACT)
    assert result['aupr_ood'] == pytest.approx(
        sum(k / (n + k) for k in range(1, m + 1)) / m, abs=EXACT)


def test_equal_scores_say_nothing_but_the_prevalence():
    result = ood_metrics([.6] * 3, [.6] * 7, equal_prior=True)
    # a trapezoid would give (1 + .3) / 2 and (1 + .7) / 2
    expected = dict(aupr_id=.3, aupr_ood=.7, auroc=.5, det_acc=.5,
                    det_acc_pooled=.3, det_acc_best=.5,
                    aupr_id_equal_prior=.5, aupr_ood_equal_prior=.5)
    for name, value in expected.items():
        assert result[name] == pytest.approx(value, abs=EXACT), name


def test_a_score_at_the_threshold_is_taken_for_id():
    result = ood_metrics([.5, .5, .2, .9], [.5, .3])
    assert result['det_acc'] == (3 / 4 + 1 / 2) / 2
    assert result['det_acc_pooled'] == 4 / 6


def test_threshold_is_compared_in_float64():
    # the float32 next to .7 lies below it
    below = torch.tensor([.7, .7])
    assert ood_metrics(below, [.1], .7)['det_acc'] == .5
    assert ood_metrics(below, [.1], below[0].item())['det_acc'] == 1


def test_fixed_threshold_is_not_the_best_one():
    inside, outside = scores('distinct')
    result = ood_metrics(.5 + inside / 2, .5 + outside / 2)
    assert result['det_acc'] == .5
    assert result['det_acc_best'] > .7


def test_area_under_precision_recall_depends_on_the_sizes():
    inside, outside = scores('distinct')
    once, often = (ood_metrics(np.repeat(inside, times), outside,
                               equal_prior=True) for times in (1, 20))
    assert (often['n_id'], often['n_ood']) == (20 * 83, 61)
    assert often['aupr_id'] > once['aupr_id'] + .02
    assert often['aupr_ood'] < once['aupr_ood'] - .02
    for name in ('auroc', 'det_acc', 'det_acc_best', 'aupr_id_equal_prior',
                 'aupr_ood_equal_prior'):
        assert often[name] == pytest.approx(once[name], abs=EXACT), name
    assert once['det_acc_pooled'] != once['det_acc']


def test_plain_numbers_come_back():
    result = ood_metrics(*scores('pair'))
    assert list(result) == [
        'auroc', 'aupr_id', 'aupr_ood', 'det_acc', 'det_acc_pooled',
        'det_acc_best', 'best_threshold', 'n_id', 'n_ood']
    for name, value in result.items():
        assert type(value) is (int if name.startswith('n_') else float), name


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16,
                                   torch.float32])
def test_tensors_and_lists_will_do(dtype):
    inside, outside = (torch.tensor(s).to(dtype) for s in scores('distinct'))
    expected = ood_metrics(inside.double().numpy(), outside.double().numpy())
    assert ood_metrics(inside.requires_grad_(), outside) == expected
    assert ood_metrics(inside.tolist(), outside.tolist()) == expected


@pytest.mark.parametrize('bad, message', [
    ([], r'shape \(N, \).*but got \(0,\)'),
    ([[.1, .2]], r'shape \(N, \).*but got \(1, 2\)'),
    (.5, r'shape \(N, \)'),
    ([.1, math.nan], 'finite.*1 of 2 are not'),
    ([math.inf, -math.inf, .5], 'finite.*2 of 3 are not'),
])
def test_unusable_sets_are_named(bad, message):
    for name, sets in [('scores_id', (bad, [.5])),
                       ('scores_ood', ([.5], bad))]:
        with pytest.raises(ValueError, match=message) as error:
            ood_metrics(*sets)
        assert f'`{name}`' in str(error.value)


def test_missing_scikit_learn_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn', None)
    with pytest.raises(ImportError, match=r'alignmix_mm\[eval\]'):
        ood_metrics([.9], [.1])
