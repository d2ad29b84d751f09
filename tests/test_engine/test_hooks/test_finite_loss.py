"""Nothing is trained on NaN, and the step is named."""
import copy
import time

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from small_run import small_config, write_images

from alignmix_mm import FiniteLossHook
from alignmix_mm.cli.common import make_safe


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('images'))


class Watch(Hook):
    """Spoil parameters before a step; keep them as they are after each."""

    def __init__(self, step=None, name=None):
        self.step, self.name = step, name
        self.after = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.step:
            with torch.no_grad():
                runner.model.get_parameter(self.name).view(-1)[0] = torch.nan

    def after_train_iter(self, runner, batch_idx, data_batch=None,
                         outputs=None):
        self.after.append(copy.deepcopy(runner.model.state_dict()))


def make_runner(images, tmp_path, watch=None, on_nan='stop', index=None,
                **changes):
    changes.setdefault('train_cfg.max_epochs', 1)
    cfg = small_config(images, tmp_path, **changes)
    if index is not None:
        pipeline = cfg.train_dataloader.dataset.pipeline
        cfg.train_dataloader.dataset.pipeline = [
            pipeline[0], dict(type='Poison', index=index), pipeline[-1]]
    make_safe(cfg, on_nan=on_nan)
    cfg.experiment_name = f'run_{time.time_ns()}'
    runner = Runner.from_cfg(cfg)
    if watch is not None:
        runner.register_hook(watch)
    return runner


def parameters(state):
    return {k: v for k, v in state.items()
            if 'running' not in k and 'tracked' not in k}


def same(a, b):
    a, b = parameters(a), parameters(b)
    return all(torch.equal(a[k].nan_to_num(9e9), b[k].nan_to_num(9e9))
               for k in a)


def test_parameters_that_are_not_finite_stop_the_run(images, tmp_path):
    name = 'backbone.layer1.0.convs.0.weight'
    watch = Watch(3, name)
    runner = make_runner(images, tmp_path, watch)
    with pytest.raises(FloatingPointError) as error:
        runner.train()
    message = str(error.value)
    assert 'step 3 (epoch 1)' in message and name in message
    assert '--on-nan skip' in message
    after = runner.model.state_dict()
    after[name] = watch.after[-1][name]
    assert len(watch.after) == 2 and same(after, watch.after[-1])
    assert not list(tmp_path.glob('*.pth'))


def test_images_that_are_not_finite_are_counted(images, tmp_path):
    with pytest.raises(FloatingPointError) as error:
        make_runner(images, tmp_path, index=5).train()
    assert 'images that were loaded are not finite' in str(error.value)


def test_divergence_is_called_so(images, tmp_path):
    with pytest.raises(FloatingPointError, match='lower the learning rate|'
                       'Parameters are not finite'):
        make_runner(images, tmp_path, **{
            'optim_wrapper.optimizer.lr': 1e30}).train()


def test_skipping_leaves_batches_out(images, tmp_path, caplog):
    watch = Watch()
    runner = make_runner(images, tmp_path, watch, on_nan='skip', index=5, **{
        'train_cfg.max_epochs': 3})
    runner.logger.addHandler(caplog.handler)
    runner.train()
    assert len(watch.after) == 12
    still = [n + 1 for n in range(1, 12)
             if same(watch.after[n - 1], watch.after[n])]
    text = caplog.text
    # every epoch has one batch with this image; the first step has no
    # predecessor here
    assert text.count('The batch is skipped') == 3
    assert all(f'in step {n} ' in text for n in still) and len(still) >= 2
    last = parameters(watch.after[-1])
    assert all(torch.isfinite(value).all() for value in last.values())


def test_skipping_has_an_end(images, tmp_path):
    runner = make_runner(
        images, tmp_path, Watch(2, 'head.fc.weight'), on_nan='skip', **{
            'train_cfg.max_epochs': 20,
            'model.train_cfg.augments': [dict(type='AlignMix')],
            'model.train_cfg.probs': [1.]})
    with pytest.raises(FloatingPointError, match='last of 20 such'):
        runner.train()


def test_bad_arguments_are_named():
    for options in (dict(action='ignore'), dict(max_skipped=0)):
        with pytest.raises(ValueError, match="'stop', 'skip'"):
            FiniteLossHook(**options)
