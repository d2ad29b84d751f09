"""Noise images, and several test sets in one."""
import pickle

import cv2
import numpy as np
import pytest
import torch
from built_configs import read
from conftest import ROOT
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmpretrain.registry import DATASETS, MODELS

import alignmix_mm  # noqa: F401

PACK = [dict(type='PackInputs')]
KNOWN = dict(type='Digits', split='test', pipeline=PACK)


def noise(distribution, **options):
    return DATASETS.build(dict(
        type='NoiseImages', distribution=distribution, pipeline=PACK,
        **options))


def pixels(dataset):
    return np.stack([dataset.get_data_info(n)['img']
                     for n in range(len(dataset))]) / 255


@pytest.mark.parametrize('options, mean, std, extreme', [
    (dict(distribution='uniform'), .5, 12**-.5, 1 / 255),
    # a normal distribution clipped at one standard deviation
    (dict(distribution='gaussian'), .5, .3591, .3173),
    # ODIN's code
    (dict(distribution='gaussian', std=1.), .5, .430, .617)])
def test_noise_has_its_moments(options, mean, std, extreme):
    values = pixels(noise(num_images=200, **options))
    assert values.shape == (200, 32, 32, 3)
    # 614,400 values: standard errors are below 1e-3
    assert values.mean() == pytest.approx(mean, abs=2e-3)
    assert values.std() == pytest.approx(std, abs=2e-3)
    at_ends = ((values == 0) | (values == 1)).mean()
    assert at_ends == pytest.approx(extreme, abs=4e-3)


def test_an_image_depends_on_seed_and_index_alone():
    first, again = noise('uniform'), pickle.loads(pickle.dumps(
        noise('uniform')))
    again.get_data_info(3)
    for n in 0, 5, 9999, -1:
        assert np.array_equal(first.get_data_info(n)['img'],
                              again.get_data_info(n)['img'])
    assert len(first) == 10000
    images = [first.get_data_info(n)['img'] for n in (0, 1)]
    images.append(noise('uniform', seed=1).get_data_info(0)['img'])
    images.append(noise('gaussian').get_data_info(0)['img'])
    assert len({image.tobytes() for image in images}) == 4
    assert noise('uniform', image_size=20)[0]['inputs'].shape == (3, 20, 20)


def test_unknown_noise_is_named():
    with pytest.raises(ValueError, match="'uniform' or 'gaussian'.*'pink'"):
        noise('pink')


def together(**unknown):
    return DATASETS.build(dict(
        type='OODTestSets', known=KNOWN, unknown=unknown))


def small(distribution, **options):
    return dict(type='NoiseImages', distribution=distribution, num_images=7,
                pipeline=PACK, **options)


def test_sets_follow_each_other_and_samples_know_theirs():
    sets = together(a=small('uniform'), b=small('gaussian'))
    assert len(sets) == 914
    assert sets.metainfo['classes'] == list('0123456789')
    names = [sets[n]['data_samples'].ood_set
             for n in (0, 899, 900, 906, 907, 913)]
    assert names == ['', '', 'a', 'a', 'b', 'b']
    known = DATASETS.build(KNOWN)
    assert torch.equal(sets[899]['inputs'], known[899]['inputs'])
    assert sets[899]['data_samples'].gt_label == (
        known[899]['data_samples'].gt_label)
    assert torch.equal(sets[906]['inputs'],
                       noise('uniform', num_images=7)[6]['inputs'])
    with pytest.raises(IndexError):
        sets[914]


@pytest.mark.parametrize('to_onehot', [False, True])
def test_a_batch_of_both_passes_the_preprocessor(to_onehot):
    sets = together(a=small('uniform'))
    preprocessor = MODELS.build(dict(
        type='ClsDataPreprocessor', num_classes=10, to_onehot=to_onehot))
    batch = default_collate([sets[n] for n in (898, 899, 900, 901)])
    data = preprocessor(batch)
    assert data['inputs'].shape == (4, 3, 32, 32)
    assert [s.ood_set for s in data['data_samples']] == ['', '', 'a', 'a']


def folder_set(path, **options):
    pipeline = Config.fromfile(
        ROOT / 'configs/_base_/datasets/ood_32px.py').ood_sets.iSUN.pipeline
    return dict(type='CustomDataset', data_root=str(path),
                data_prefix='images', with_label=False, pipeline=pipeline,
                **options)


def write_images(path, count, size=(36, 40)):
    (path / 'images').mkdir(parents=True)
    image = np.zeros((*size, 3), np.uint8)
    image[:] = 100, 10, 200  # OpenCV writes BGR
    for n in range(count):
        cv2.imwrite(str(path / 'images' / f'{n}.png'), image)


def test_files_are_cropped_and_rgb_like_cifar(tmp_path):
    write_images(tmp_path, 2)
    sets = together(files=folder_set(tmp_path))
    image = sets[900]['inputs']
    assert image.shape == (3, 32, 32)
    assert image[:, 0, 0].tolist() == [200, 10, 100]


def test_a_missing_folder_is_named_and_the_others_stay(tmp_path, mm_log):
    sets = together(
        gone=folder_set(tmp_path / 'no', source='a.tar.gz, some page'),
        here=small('uniform'))
    assert list(sets.sets) == ['', 'here']
    assert f"'gone' is left out: there is no folder {tmp_path}/no/images" in (
        mm_log.text)
    assert 'Get it from a.tar.gz, some page.' in mm_log.text
    with pytest.raises(ValueError, match="None of the data sets.*'gone'"):
        together(gone=folder_set(tmp_path / 'no'))


def test_a_folder_with_another_number_of_images_is_reported(tmp_path, mm_log):
    write_images(tmp_path, 2)
    together(files=folder_set(tmp_path, expected_size=2))
    assert 'should have' not in mm_log.text
    together(files=folder_set(tmp_path, expected_size=10000))
    assert "'files' should have 10000 images" in mm_log.text
    assert 'images has 2.' in mm_log.text


def test_the_config_has_the_sets_of_the_paper():
    cfg = read('alignmix_r18_cifar100_ood')
    sets = cfg.test_dataloader.dataset.unknown
    assert {name: s.get('expected_size') for name, s in sets.items()} == dict(
        LSUN_crop=10000, LSUN_resize=10000, iSUN=8925, TI_crop=10000,
        TI_resize=10000, uniform=None, gaussian=None)
    for name in 'uniform', 'gaussian':
        assert len(DATASETS.build(sets[name])) == 10000
    assert cfg.test_dataloader.dataset.known.type == 'CIFAR100'
    assert cfg.test_evaluator.type == 'OODDetection'
    assert not cfg.data_preprocessor.get('to_rgb')  # CIFAR's images are RGB
