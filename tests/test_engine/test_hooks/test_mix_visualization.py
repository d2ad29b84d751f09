"""Pictures of mixed batches, of every mode."""
import time

import cv2
import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from saliency_method import ThreeBySaliency
from small_run import small_config, write_images

from alignmix_mm import MixVisualizationHook
from alignmix_mm.engine.hooks import mix_visualization


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('images'))


def train(images, folder, interval=2, type='AlignMix', **options):
    cfg = small_config(images, folder, epochs=1, **{
        'model.train_cfg': dict(_delete_=True, augments=[
            dict(type=type, **options)])})
    cfg.visualizer = dict(type='UniversalVisualizer', vis_backends=[
        dict(type='LocalVisBackend')])
    cfg.custom_hooks = [dict(type='MixVisualizationHook', interval=interval)]
    cfg.experiment_name = f'run_{time.time_ns()}'
    Runner.from_cfg(cfg).train()
    return {path.stem: cv2.imread(str(path))
            for path in folder.glob('*/vis_data/vis_image/*.png')}


@pytest.mark.parametrize('mode', ['input', 'embed', 'feat', 'feat_swap',
                                  'clean'])
def test_pictures_of_a_mode(images, tmp_path, mode):
    """Four steps: the first and the third of them."""
    pictures = train(images, tmp_path, modes=mode)
    names = {'mixed_batch_1', 'mixed_batch_3'}
    if mode in ('embed', 'feat', 'feat_swap'):  # E is a map here
        names |= {'matches_1', 'matches_3'}
    assert set(pictures) == names
    for picture in pictures.values():
        assert picture.std() > 20 and min(picture.shape[:2]) > 300


@pytest.mark.parametrize('samples, several, part', [
    (4, 1, 'pixels'), (9, 3, 'features'), (6, 2, 'embedding')])
def test_any_number_of_images_makes_any_number_of_samples(
        images, tmp_path, samples, several, part):
    pictures = train(images, tmp_path, type=ThreeBySaliency.__name__,
                     samples=samples, several=several, part=part)
    assert set(pictures) == {'mixed_batch_1', 'mixed_batch_3'}


@pytest.mark.parametrize('mode', ['input', 'feat_swap', 'clean'])
def test_what_is_drawn_is_what_was_mixed(images, tmp_path, monkeypatch, mode):
    drawn = {}
    monkeypatch.setattr(
        mix_visualization, 'plot_mixed_batch',
        lambda *args, title: drawn.update(args=args, title=title))
    monkeypatch.setattr(mix_visualization, 'plot_alignment',
                        lambda *args: drawn.update(plan=args))
    cfg = small_config(images, tmp_path, **{'model.train_cfg': dict(
        _delete_=True, augments=[dict(type='AlignMix', modes=mode)])})
    cfg.experiment_name = f'run_{time.time_ns()}'
    runner = Runner.from_cfg(cfg)
    hook = MixVisualizationHook(num_pairs=3)
    hook.before_train(runner)
    loader = runner.build_dataloader(cfg.train_dataloader)
    data = next(iter(loader))
    raw = data['inputs'].permute(0, 2, 3, 1).numpy()[..., ::-1]
    runner.model.train()
    runner.model(**runner.model.data_preprocessor(data, True), mode='loss')
    plan = hook.observer.plan
    hook._draw()
    anchors, partners, mixed, lam = drawn['args']
    first, second, weights = raw, raw, np.ones(3)
    if mode != 'clean':
        second, weights = raw[plan.labels.perm.numpy()], plan.labels.lam[:3]
    if mode == 'feat_swap':
        first, second = second, first
    assert np.array_equal(anchors, first[:3])
    assert np.array_equal(partners, second[:3])
    assert np.array_equal(lam, weights)
    assert drawn['title'].startswith(mode)
    if mode == 'input':
        shown = hook.observer.batch.images[:3].permute(0, 2, 3, 1)
        pixels = shown * 64 + 127.5  # the preprocessor's normalization
        assert torch.from_numpy(mixed).sub(pixels).abs().max() <= 1
    if mode == 'clean':
        assert np.array_equal(mixed, anchors)
    assert ('plan' in drawn) == (mode == 'feat_swap')


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match='>= 1.*0 and 6'):
        MixVisualizationHook(interval=0)
