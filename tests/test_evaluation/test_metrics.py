"""The metrics of MMEngine: same numbers as the functions, in percent."""
import json
import logging

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmpretrain.registry import METRICS
from mmpretrain.structures import DataSample

from alignmix_mm import CalibrationError, OODDetection
from alignmix_mm.evaluation.functional import (
    BinStatistics,
    bin_statistics,
    ood_metrics,
)

PROBS = torch.softmax(3 * torch.randn(
    203, 7, generator=torch.Generator().manual_seed(0)), 1)
LABELS = torch.randint(7, (203, ), generator=torch.Generator().manual_seed(1))


def samples(probs=PROBS, labels=LABELS, sets=None):
    result = [DataSample().set_pred_score(p).set_gt_label(label)
              for p, label in zip(probs, labels)]
    for sample, name in zip(result, sets or []):
        sample.set_metainfo(dict(ood_set=name))
    return result


def evaluate(metric, data, batch, size=None):
    evaluator = Evaluator(metric)
    for start in range(0, len(data), batch):
        evaluator.process(data[start:start + batch], None)
    return evaluator.evaluate(size or len(data))


@pytest.mark.parametrize('batch', [1, 64, 203])
@pytest.mark.parametrize('n_bins', [15, 100])
def test_calibration_is_that_of_the_function(batch, n_bins, tmp_path):
    metric = CalibrationError(n_bins, out_dir=str(tmp_path))
    result = evaluate(metric, samples(), batch)
    table = bin_statistics(PROBS, LABELS, n_bins)
    assert result == {'calibration/ece': pytest.approx(100 * table.ece),
                      'calibration/oe': pytest.approx(100 * table.oe)}
    written = json.loads((tmp_path / 'reliability.json').read_text())
    assert sum(written['count']) == 203
    assert None in written['conf']  # an empty bin
    for field, values in zip(BinStatistics._fields, table):
        np.testing.assert_array_equal(
            getattr(BinStatistics.from_dict(written), field), values)
    assert (tmp_path / 'reliability.png').stat().st_size > 5000
    assert '<svg' in (tmp_path / 'reliability.svg').read_text()


@pytest.mark.parametrize('n_bins', [0, '15', 1.5])
def test_a_bad_number_of_bins_is_refused_at_once(n_bins):
    with pytest.raises(ValueError, match='n_bins'):
        CalibrationError(n_bins)


@pytest.mark.parametrize('batch', [1, 3])
def test_several_labels_of_a_sample_are_refused(batch):
    data = samples()[:3]
    data[0].set_gt_label([0, 1])
    with pytest.raises(ValueError, match=rf'{batch} samples.*{batch + 1}\.'):
        evaluate(CalibrationError(), data, batch)


def test_padding_of_the_last_batch_is_dropped(tmp_path):
    data = samples() + samples()[:5]  # as a distributed sampler pads
    for metric, sets in ((CalibrationError(out_dir=str(tmp_path)), None),
                         (OODDetection(), [''] * 100 + ['a'] * 103)):
        padded = samples(sets=sets) + samples(sets=sets)[:5]
        data = samples(sets=sets)
        expected = evaluate(type(metric)(), data, 50)
        assert evaluate(metric, padded, 50, size=203) == expected


def test_a_prediction_that_is_not_finite_makes_calibration_undefined(mm_log):
    probs = PROBS.clone()
    probs[3], probs[8, 2] = np.nan, np.nan
    result = evaluate(CalibrationError(), samples(probs), 64)
    assert np.isnan(list(result.values())).all()
    warning, = [r for r in mm_log.records if r.levelno == logging.WARNING]
    assert '2 of 203 predictions are not finite' in warning.getMessage()


def test_files_go_beside_the_log(tmp_path, monkeypatch):
    log = tmp_path / 'run' / 'run.log'
    monkeypatch.setattr(MMLogger, 'log_file', str(log))
    evaluate(CalibrationError(), samples(), 64)
    assert (log.parent / 'reliability.json').is_file()


def test_without_a_log_file_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(MMLogger, 'log_file', None)
    assert len(evaluate(CalibrationError(), samples(), 64)) == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('batch', [1, 60, 203])
def test_ood_detection_compares_each_set_with_the_known_classes(
        batch, mm_log):
    names = ([''] * 100 + ['noise'] * 63 + ['lsun'] * 40)
    order = torch.randperm(203).tolist()  # batches with all of them
    data = samples(sets=names)
    result = evaluate(OODDetection(), [data[n] for n in order], batch)
    scores = PROBS.max(1).values.double().numpy()
    for name, part in ('noise', slice(100, 163)), ('lsun', slice(163, 203)):
        expected = ood_metrics(scores[:100], scores[part])
        for key in ('auroc', 'aupr_id', 'aupr_ood', 'det_acc',
                    'det_acc_pooled', 'det_acc_best'):
            assert result[f'ood/{name}/{key}'] == pytest.approx(
                100 * expected[key], abs=1e-9)
        assert result[f'ood/{name}/n_id'] == 100
        assert result[f'ood/{name}/n_ood'] == expected['n_ood']
    table = mm_log.records[-1].getMessage()
    assert '| noise |' in table and '| 100 | 63 |' in table


def test_the_threshold_is_used():
    data = samples(sets=[''] * 100 + ['a'] * 103)
    low = evaluate(OODDetection(threshold=0.), data, 64)
    assert low['ood/a/det_acc'] == 50.  # everything is taken for known
    assert low['ood/a/det_acc_pooled'] == pytest.approx(100 * 100 / 203)


def test_a_set_with_an_undefined_score_does_not_hide_the_others(mm_log):
    probs = PROBS.clone()
    probs[150] = np.nan
    names = [''] * 100 + ['bad'] * 63 + ['good'] * 40
    result = evaluate(OODDetection(), samples(probs, sets=names), 64)
    assert np.isnan(result['ood/bad/auroc'])
    assert 0 < result['ood/good/auroc'] < 100
    assert "OOD set 'bad': Expected finite" in mm_log.text


def test_samples_of_another_data_set_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match='OODTestSets'):
        evaluate(OODDetection(), samples(), 64)


@pytest.mark.parametrize('name', ['CalibrationError', 'OODDetection'])
def test_plain_configs_find_them(name):
    assert METRICS.build(dict(type=f'alignmix_mm.{name}')).prefix
