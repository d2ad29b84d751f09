import numpy as np
import pytest
from mmpretrain.registry import DATASETS


def build(**options):
    return DATASETS.build(dict(type='Digits', **options))


def test_splits_are_real_digits_and_disjoint():
    train, test = build(split='train'), build(split='test')
    assert (len(train), len(test)) == (897, 900)
    pixels = [{sample['img'].tobytes() for sample in map(data.get_data_info,
                                                         range(len(data)))}
              for data in (train, test)]
    assert not pixels[0] & pixels[1]
    assert np.bincount(train.get_gt_labels()).min() > 70


def test_few_labels_and_sizes():
    data = build(per_class=3, image_size=24)
    assert np.bincount(data.get_gt_labels()).tolist() == [3] * 10
    sample = data[0]
    assert sample['img'].shape == (24, 24, 3)
    assert sample['img'].dtype == np.uint8
    assert sample['img'].max() > 200 and sample['img'].min() == 0


def test_pipeline_packs_inputs():
    sample = build(pipeline=[dict(type='PackInputs')])[5]
    assert sample['inputs'].shape == (3, 32, 32)
    assert sample['data_samples'].gt_label.numel() == 1


def test_a_wrong_split_is_named():
    with pytest.raises(ValueError, match="'train' or 'test'.*'val'"):
        build(split='val')
