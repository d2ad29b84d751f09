"""Mixing by the number of the epoch."""
import time

import pytest
import tiny_run
from mmengine.hooks import Hook
from mmengine.runner import Runner
from saliency_method import ThreeBySaliency
from small_run import small_config, write_images

from alignmix_mm import MixSchedule
from alignmix_mm.cli.common import make_safe
from alignmix_mm.engine.hooks._observer import find_method
from alignmix_mm.mixing import MixBatch


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('images'))


class Watch(Hook):
    """Whether batches carry plans, and alpha, for each epoch."""

    priority = 'VERY_LOW'

    def __init__(self):
        self.mixed, self.alphas = [], []

    def before_train_epoch(self, runner):
        self.mixed.append(set())
        preprocessor = runner.model.data_preprocessor
        if len(self.mixed) == 1:
            self.augment = find_method(runner.model)
            preprocessor.register_forward_hook(
                lambda m, args, out: self.mixed[-1].add(
                    isinstance(out['inputs'], MixBatch)))
        self.alphas.append(getattr(self.augment, 'alpha', None))


def train(images, folder, epochs=4, resume=None, augments=None, loop=None,
          **options):
    cfg = small_config(images, folder, epochs=epochs)
    if loop is not None:
        cfg.train_cfg = loop
        cfg.train_dataloader.sampler.type = 'InfiniteSampler'
    cfg.model.train_cfg = dict(augments=augments or [
        dict(type='AlignMix', alpha=2., modes=['input', 'feat'])])
    cfg.custom_hooks = [dict(type='MixSchedule', **options)]
    make_safe(cfg, resume)
    cfg.custom_hooks = [hook for hook in cfg.custom_hooks
                        if 'MixLog' not in hook['type']]
    cfg.experiment_name = f'run_{time.time_ns()}'
    runner = Runner.from_cfg(cfg)
    watch = Watch()
    runner.register_hook(watch)
    runner.train()
    return watch


def test_the_last_epochs_are_not_mixed(images, tmp_path):
    watch = train(images, tmp_path, off_last=2)
    assert watch.mixed == [{True}, {True}, {False}, {False}]


def test_alpha_changes(images, tmp_path):
    watch = train(images, tmp_path, alphas={3: .5, 1: 1})
    assert watch.alphas == [2., 1., 1., .5]
    assert watch.mixed == [{True}] * 4


def test_a_resumed_run_goes_on(images, tmp_path):
    train(images, tmp_path, off_last=1, alphas={1: 1.})
    (tmp_path / 'epoch_4.pth').unlink()
    watch = train(images, tmp_path, resume=str(tmp_path / 'epoch_3.pth'),
                  off_last=1, alphas={1: 1.})
    assert watch.mixed == [{False}]


@pytest.mark.parametrize('options, message', [
    (dict(), 'changes nothing'), (dict(off_last=-1), '`off_last` >= 0'),
    (dict(alphas={2: 0}), '`alphas` > 0'),
    (dict(alphas={-1: 1}), 'epochs >= 0'),
    (dict(alphas={2: float('inf')}), 'finite'),
    (dict(alphas={2: float('nan')}), 'finite'),
    (dict(off_last=float('nan')), '`off_last` >= 0')])
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        MixSchedule(**options)


def test_there_must_be_something_to_change(images, tmp_path):
    with pytest.raises(ValueError, match='found no method'):
        train(images, tmp_path, alphas={1: 1.},
              augments=[dict(type='CutMix', alpha=1.)])


def test_methods_without_alpha_end_alike(images, tmp_path):
    augments = [dict(type=ThreeBySaliency.__name__)]
    watch = train(images, tmp_path, epochs=2, off_last=1, augments=augments)
    assert watch.mixed == [{True}, {False}]
    with pytest.raises(ValueError, match='found no method with `alpha`'):
        train(images, tmp_path, alphas={1: 1.}, augments=augments)


def test_training_by_iterations_has_no_last_epochs(images, tmp_path):
    """Or all of it would be one, and nothing would be mixed."""
    with pytest.raises(ValueError, match='counts epochs.*by iterations'):
        train(images, tmp_path, off_last=1, loop=dict(
            by_epoch=False, max_iters=4))


@pytest.mark.parametrize('options, message', [
    (dict(off_last=5), 'last 5 epochs without mixing, but the run has 4'),
    (dict(off_last=float('inf')), 'last inf epochs'),
    (dict(alphas={1: 1., 4: .5}), 'at epoch 4, but the run has 4'),
    (dict(alphas={500: 1.}), 'If you gave iterations: an epoch has 4')])
def test_what_comes_after_the_run_is_refused(tmp_path, options, message):
    """When it begins: nothing is trained, nothing written."""
    cfg = tiny_run.tiny_config(tmp_path, epochs=4)
    cfg.custom_hooks = [dict(type='MixSchedule', **options)]
    with pytest.raises(ValueError, match=message):
        tiny_run.train(cfg)
    assert not list(tmp_path.glob('*.pth'))


def test_all_epochs_can_be_off(tmp_path):
    cfg = tiny_run.tiny_config(tmp_path, epochs=1)
    cfg.custom_hooks = [dict(type='MixSchedule', off_last=1)]
    assert tiny_run.train(cfg).iter == 4
