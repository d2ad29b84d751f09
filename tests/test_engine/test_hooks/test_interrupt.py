"""Ctrl-C, and the run that goes on with the same bits."""
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from small_run import small_config, write_images

from alignmix_mm.cli.common import make_safe

FILE = 'interrupted.pth'


@HOOKS.register_module(force=True)
class PressCtrlC(Hook):
    """Send SIGINT in a step or a validation."""

    priority = 'VERY_HIGH'

    def __init__(self, step=None, validation=None, times=1):
        self.step, self.validation, self.times = step, validation, times

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.step:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        if runner.epoch == self.validation and batch_idx == 0:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('images'))


def make(images, work_dir, press=None, resume=None, **changes):
    cfg = small_config(images, work_dir, epochs=3, **{
        'train_cfg.val_interval': 1, **changes})
    cfg.merge_from_dict(dict(
        val_dataloader=dict(
            batch_size=5, num_workers=0, dataset=dict(
                type='CustomDataset', data_root=str(images), pipeline=[
                    dict(type='LoadImageFromFile'), dict(type='PackInputs')]),
            sampler=dict(type='DefaultSampler', shuffle=False)),
        val_cfg=dict(), val_evaluator=dict(type='Accuracy')))
    make_safe(cfg, resume)
    if press:
        press = dict(type='PressCtrlC', **press)
        cfg.custom_hooks = [*cfg.custom_hooks, press]
    cfg.experiment_name = f'run_{time.time_ns()}'
    return Runner.from_cfg(cfg)


def weights(path):
    return torch.load(path, weights_only=False)['state_dict']


def same_bits(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture(scope='module')
def whole(images, tmp_path_factory):
    """Three epochs of four steps in one go."""
    folder = tmp_path_factory.mktemp('whole')
    make(images, folder).train()
    return weights(folder / 'epoch_3.pth')


@pytest.mark.parametrize('press, epoch, steps', [
    pytest.param(dict(step=0), 0, 1, marks=pytest.mark.slow),
    (dict(step=5), 1, 6),
    pytest.param(dict(step=7), 1, 8, marks=pytest.mark.slow),
    pytest.param(dict(validation=2), 2, 8, marks=pytest.mark.slow)],
    ids=['first step', 'middle', 'end of an epoch', 'validation'])
def test_it_goes_on_with_the_same_bits(images, whole, tmp_path, press, epoch,
                                       steps):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        make(images, tmp_path, press).train()
    assert signal.getsignal(signal.SIGINT) is before
    meta = torch.load(tmp_path / FILE, weights_only=False)['meta']
    assert (meta['epoch'], meta['iter']) == (epoch, steps)
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / FILE)
    runner = make(images, tmp_path, resume='auto')
    runner.train()
    assert (runner.epoch, runner.iter) == (3, 12)
    assert same_bits(weights(tmp_path / 'epoch_3.pth'), whole)
    assert not (tmp_path / FILE).exists()  # there are later ones


@HOOKS.register_module(force=True)
class CountValidations(Hook):
    """Counts them, and keeps the count in checkpoints."""

    def __init__(self):
        self.count = 0

    def after_val_epoch(self, runner, metrics=None):
        self.count += 1


@pytest.mark.parametrize('interval', [1, 5])
@pytest.mark.parametrize('press', [dict(validation=2), dict(step=9)],
                         ids=['validation', 'middle of epoch 3'])
def test_no_validation_is_repeated(images, tmp_path, press, interval):
    """Schedules and early stopping would count it twice."""
    changes = {'default_hooks.checkpoint.interval': interval,
               'custom_hooks': [dict(type='CountValidations')]}
    with pytest.raises(KeyboardInterrupt):
        make(images, tmp_path, press, **changes).train()
    runner = make(images, tmp_path, resume='auto', **changes)
    runner.train()
    counter, = (hook for hook in runner.hooks
                if isinstance(hook, CountValidations))
    assert counter.count == runner.epoch == 3
    assert (tmp_path / 'epoch_2.pth').exists() == (interval == 1)


def test_a_validation_in_the_middle_of_an_epoch_writes_no_checkpoint(
        images, tmp_path):
    """One that is due since the interval was changed."""
    changes = {'default_hooks.checkpoint.interval': 5,
               'custom_hooks': [dict(type='CountValidations')]}
    with pytest.raises(KeyboardInterrupt):
        make(images, tmp_path, dict(step=9), **changes, **{
            'train_cfg.val_interval': 3}).train()
    runner = make(images, tmp_path, resume='auto', **changes)
    runner.train()
    assert [hook.count for hook in runner.hooks
            if isinstance(hook, CountValidations)] == [2]
    assert not (tmp_path / 'epoch_2.pth').exists()


@pytest.mark.slow
def test_interrupted_twice(images, whole, tmp_path):
    for step, resume in ((4, None), (5, 'auto')):
        with pytest.raises(KeyboardInterrupt):
            make(images, tmp_path, dict(step=step), resume).train()
    meta = torch.load(tmp_path / FILE, weights_only=False)['meta']
    assert (meta['epoch'], meta['iter']) == (1, 6)
    make(images, tmp_path, resume='auto').train()
    assert same_bits(weights(tmp_path / 'epoch_3.pth'), whole)


def test_the_second_one_stops_at_once(images, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    runner = make(images, tmp_path, dict(step=5, times=2))
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert signal.getsignal(signal.SIGINT) is before
    assert runner.iter == 5 and not (tmp_path / FILE).exists()
    assert (tmp_path / 'epoch_1.pth').exists()


def test_gradients_that_are_accumulated_are_not_lost(images, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make(images, tmp_path, dict(step=4), **{
            'optim_wrapper.accumulative_counts': 2}).train()
    meta = torch.load(tmp_path / FILE, weights_only=False)['meta']
    assert meta['iter'] == 6  # of steps 5 and 6 together


@pytest.mark.process
def test_the_terminal_sends_it_to_workers_too(images, tmp_path):
    """One line, the command that goes on, and that command works."""
    cfg = small_config(images, tmp_path / 'run', epochs=400, num_workers=2,
                       **{'train_dataloader.persistent_workers': True})
    cfg.dump(tmp_path / 'config.py')
    words = [sys.executable, '-m', 'alignmix_mm', 'train',
             str(tmp_path / 'config.py')]
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1'})
    for line in process.stdout:
        if 'Epoch(train)' in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 130, output
    *_, stopped, command = output.strip().splitlines()
    assert stopped.startswith('Stopped in epoch ') and FILE in stopped
    assert 'Traceback' not in output and 'worker' not in output
    assert command == f'alignmix train {tmp_path}/config.py --resume'


def test_a_run_that_failed_gives_it_back_to_the_next(images, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    runner = make(images, tmp_path / 'fails')
    runner.model.forward = None  # not callable
    with pytest.raises(TypeError):
        runner.train()
    assert signal.getsignal(signal.SIGINT) is not before
    with pytest.raises(KeyboardInterrupt):
        make(images, tmp_path / 'next', dict(step=1)).train()
    assert signal.getsignal(signal.SIGINT) is before
