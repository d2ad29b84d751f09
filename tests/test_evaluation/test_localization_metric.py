"""The metric: same numbers as the functions, in percent, and its files."""
import csv
import json

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.registry import METRICS
from mmpretrain.structures import DataSample

from alignmix_mm import Localization
from alignmix_mm.cli.indexing import results as indexed
from alignmix_mm.evaluation.functional import (
    localization_metrics,
    localize,
    resize_boxes,
)
from alignmix_mm.evaluation.metrics.geometry import boxes_in_input

SIZES = [(60, 40), (33, 51), (48, 48), (37, 29), (80, 64)]


def sample_of(n, cam=None, **changes):
    """Sample ``n`` of class n % 3, in a picture of its own size."""
    rng = np.random.default_rng(n)
    width, height = SIZES[n % len(SIZES)]
    low = rng.integers(0, 10, 2)
    if cam is None:  # near the box
        y, x = np.mgrid[:7, :7]
        cx, cy = (low + 9) * 7 / (width, height) + rng.normal(size=2)
        cam = np.exp(-((x - cx)**2 + (y - cy)**2) / 4)
    sample = DataSample().set_gt_label(n % 3)
    sample.set_pred_score(torch.softmax(torch.randn(
        3, generator=torch.Generator().manual_seed(n)), 0))
    sample.set_field(torch.from_numpy(np.asarray(cam, np.float32)), 'cam')
    sample.set_field(torch.tensor([n % 3]), 'cam_label')
    sample.set_field(np.array([[*low, *low + 18]], float), 'loc_boxes')
    sample.set_metainfo({**dict(
        img_path=f'{n}.jpg', ori_shape=(height, width), img_shape=(56, 56),
        scale_factor=(56 / width, 56 / height), loc_size=(width, height)),
        **changes})
    return sample


def evaluate(metric, data, batch=3, size=None):
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = dict(split='val')
    for start in range(0, len(data), batch):
        evaluator.process(data[start:start + batch], None)
    return evaluator.evaluate(size or len(data))


def expected(data, **options):
    images = [localize(s.cam, resize_boxes(s.loc_boxes, s.loc_size, (56, 56)),
                       (56, 56), **options) for s in data]
    ranks = [(s.pred_score > s.pred_score[int(s.gt_label)]).sum()
             for s in data]
    return localization_metrics(images, np.array(ranks), options.get('tau',
                                                                     .15))


@pytest.mark.parametrize('options', [
    {}, dict(tau=.4, norm='max', box='mask')])
@pytest.mark.parametrize('batch', [1, 4, 11])
def test_figures_are_those_of_the_functions(batch, options):
    data = [sample_of(n) for n in range(11)]
    result = evaluate(Localization(**options), data, batch)
    assert result.pop('localization/norm') == options.get('norm', 'minmax')
    assert result.pop('localization/box') == options.get('box', 'largest')
    assert result.pop('localization/tau_chosen_on') == 'val'
    assert set(result) == {f'localization/{k}' for k in expected(data)
                           } if not options else True
    for key, value in expected(data, **options).items():
        exact = key.startswith(('n_', 'best_tau'))
        assert result[f'localization/{key}'] == pytest.approx(
            value if exact else 100 * value), key
    assert 0 < result[indexed.METRICS[1]] < 100


def test_padding_of_the_last_batch_is_dropped():
    data = [sample_of(n) for n in range(11)]
    result = evaluate(Localization(), data + data[:5], 4, size=11)
    assert result == evaluate(Localization(), data)
    assert result['localization/n_images'] == 11


def test_only_top_1_localization_depends_on_the_prediction():
    data = [sample_of(n) for n in range(11)]
    right, wrong = ([s.clone() for s in data] for _ in range(2))
    for n in range(11):
        right[n].pred_score = torch.eye(3)[n % 3]
        wrong[n].pred_score = torch.eye(3)[(n + 1) % 3]
    a, b = (evaluate(Localization(), d) for d in (right, wrong))
    for key in a:
        depends = key.startswith(('localization/top',
                                  'localization/best_tau@top'))
        assert depends or a[key] == b[key], key
    assert a['localization/top1_loc@0.15'] == a['localization/gtknown@0.15']
    assert b['localization/top1_loc@0.15'] == 0 < a['localization/maxboxacc']


@pytest.mark.parametrize('scores, rank', [
    ([.2, .5, .3], 2), ([.4, .4, .2], 0), ([.1, .4, .4], 2), ([.5, .5, 0], 0),
    ([np.nan] * 3, 3), ([np.nan, 0, 0], 3)])
def test_ranks_of_class_0(scores, rank, tmp_path):
    sample = sample_of(0)
    sample.pred_score = torch.tensor(scores)
    evaluate(Localization(out_dir=str(tmp_path)), [sample])
    record, = json.loads((tmp_path / 'localization.json').read_text())[
        'images']
    assert record['rank'] == rank
    tied = sample_of(1)  # of class 1, after class 0 if they are equal
    tied.pred_score = torch.tensor([.4, .4, .2])
    assert evaluate(Localization(), [tied])['localization/top1_cls'] == 0


def test_top_5_is_reported_where_it_says_something():
    sample = sample_of(0)
    sample.pred_score = torch.tensor([.1, .2, .3, .15, .12, .13])
    result = evaluate(Localization(), [sample])
    assert result['localization/top5_cls'] == 0
    assert 'localization/top5_loc@0.15' in result
    sample.pred_score = torch.tensor([.12, .2, .3, .15, .1, .13])
    assert evaluate(Localization(), [sample])['localization/top5_cls'] == 100


def test_records_of_every_image_are_written(tmp_path):
    data = [sample_of(n) for n in range(4)] + [sample_of(4, np.ones((7, 7)))]
    result = evaluate(Localization(out_dir=str(tmp_path / 'new')), data)
    written = json.loads((tmp_path / 'new' / 'localization.json').read_text())
    assert {f'localization/{k}': v for k, v in written['metrics'].items()
            } == result
    with open(tmp_path / 'new' / 'localization.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [r['image'] for r in rows] == [f'{n}.jpg' for n in range(5)]
    for row, record, sample in zip(rows, written['images'], data):
        image = localize(sample.cam, record['gt_boxes'], (56, 56))
        assert record['box'] == image.box.tolist()
        assert float(row['iou']) == record['iou'] == image.iou
        assert record['localized'] == (image.iou >= .5)
        assert record['predicted'] == int(sample.pred_label if 'pred_label'
                                          in sample else
                                          sample.pred_score.argmax())
        assert record['correct'] == (record['localized'] and
                                     record['predicted'] == record['label'])
    assert [r['degenerate'] for r in written['images']] == [False] * 4 + [True]
    assert result['localization/n_degenerate'] == 1


def test_boxes_move_with_the_image():
    sample = sample_of(0).to_dict()
    sample['loc_boxes'] = np.array([[10, 5, 30, 35], [0, 0, 59, 39]])
    # width 60 -> 56, height 40 -> 56, fractions cut off
    assert boxes_in_input(sample).tolist() == [[9, 7, 28, 49],
                                               [0, 0, 55, 54]]
    kept = {**sample, 'img_shape': (40, 60)}
    del kept['scale_factor']  # not resized at all
    assert boxes_in_input(kept).tolist() == [[10, 5, 30, 35], [0, 0, 59, 39]]


def test_a_central_crop_moves_and_cuts_boxes():
    sample = sample_of(0).to_dict()
    sample.update(loc_boxes=np.array([[10, 5, 30, 35], [0, 0, 59, 39]]),
                  scale_factor=(64 / 60, 64 / 40), img_shape=(56, 56))
    with pytest.raises(ValueError, match=r'60x40 became 64x64, then 56x56'):
        boxes_in_input(sample)
    # 64 -> 56 leaves out 4 at each side
    assert boxes_in_input(sample, center_crop=True).tolist() == [
        [6, 4, 28, 52], [0, 0, 55, 55]]


def test_the_crop_is_that_of_mmpretrain():
    """A picture whose box is painted, through the real pipeline."""
    from mmengine.dataset import Compose
    from mmengine.registry import init_default_scope
    init_default_scope('mmpretrain')
    picture = np.zeros((100, 140, 3), np.uint8)
    picture[30:60, 70:120] = 255
    for size, crop in ((128, 112), (130, 97)):
        data = Compose([
            dict(type='Resize', scale=(size, size), interpolation='nearest'),
            dict(type='CenterCrop', crop_size=crop), dict(type='PackInputs'),
        ])(dict(img=picture, ori_shape=picture.shape[:2]))
        sample = data['data_samples'].to_dict()
        sample.update(loc_boxes=np.array([[70, 30, 120, 60]]),
                      loc_size=(140, 100))
        (x0, y0, x1, y1), = boxes_in_input(sample, center_crop=True)
        y, x = np.nonzero(data['inputs'][0].numpy())
        # one past the last pixel; a pixel of rounding
        assert np.abs(np.array([x0, y0, x1, y1]) - [
            x.min(), y.min(), x.max() + 1, y.max() + 1]).max() <= 1


@pytest.mark.parametrize('changes, message', [
    (dict(flip=True), r'56x56, flipped'),
    (dict(scale_factor=(1, 1)), r'60x40 became 60x40, then 56x56'),
    (dict(ori_shape=(80, 120)), r'0.jpg belong to .* 60x40 .* has 120x80')])
def test_other_geometries_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        evaluate(Localization(), [sample_of(0, **changes)])


def without(*fields):
    sample = sample_of(0)
    for field in fields:
        sample.pop(field)
    return sample


@pytest.mark.parametrize('sample, message', [
    (without('loc_boxes'), 'CUBWithBoxes or WSOLMetadata'),
    (without('cam'), "CAMClassifier or AlignMixClassifier with cam='gt'"),
    (sample_of(0).set_gt_label(2), "Set cam='gt'")])
def test_what_is_missing_is_named(sample, message):
    with pytest.raises(ValueError, match=message):
        evaluate(Localization(), [sample])


@pytest.mark.parametrize('options, message', [
    (dict(norm='softmax'), "'minmax', 'max'"), (dict(box='one'), "'mask'"),
    (dict(box='all'), "'largest' or 'mask', got 'all'"),
    (dict(tau=15), 'from 0 to 1')])
def test_bad_options_are_named_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        METRICS.build(dict(type='Localization', **options))
