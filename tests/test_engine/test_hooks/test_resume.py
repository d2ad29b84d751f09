"""A run that was interrupted ends with the same bits as one that was not."""
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from conftest import ROOT
from mmengine.runner import Runner
from small_run import small_config, write_images

from alignmix_mm.cli.common import make_safe
from alignmix_mm.engine import checkpoints


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('images'))


def train(cfg, resume=None):
    make_safe(cfg, resume)
    cfg.experiment_name = f'{os.path.basename(cfg.work_dir)}_{time.time_ns()}'
    runner = Runner.from_cfg(cfg)
    runner.train()
    if runner.train_dataloader._iterator is not None:  # of workers that stay
        runner.train_dataloader._iterator._shutdown_workers()
    return runner


def weights(work_dir, epoch):
    return torch.load(work_dir / f'epoch_{epoch}.pth',
                      weights_only=False)['state_dict']


def same_bits(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture(scope='module')
def whole(images, tmp_path_factory):
    """Four epochs in one go."""
    work_dir = tmp_path_factory.mktemp('whole')
    train(small_config(images, work_dir, **{
        'default_hooks.checkpoint.max_keep_ckpts': -1}))
    return work_dir


@pytest.mark.parametrize('num_workers', [0, 2])
def test_resumed_epochs_are_the_same(images, whole, tmp_path, num_workers):
    cfg = small_config(images, tmp_path, num_workers=num_workers)
    runner = train(cfg, str(whole / 'epoch_2.pth'))
    assert runner.epoch == 4
    assert same_bits(weights(tmp_path, 4), weights(whole, 4))
    assert not same_bits(weights(whole, 2), weights(whole, 4))


def test_the_number_of_workers_changes_nothing(images, whole, tmp_path):
    train(small_config(images, tmp_path, num_workers=2))
    assert same_bits(weights(tmp_path, 4), weights(whole, 4))


def test_another_seed_is_another_run(images, whole, tmp_path):
    train(small_config(images, tmp_path, seed=4))
    assert not same_bits(weights(tmp_path, 4), weights(whole, 4))


def test_a_seed_that_was_drawn_is_kept(images, tmp_path):
    for name in ('whole', 'resumed'):
        (tmp_path / name).mkdir()
    train(small_config(images, tmp_path / 'whole', seed=None, **{
        'default_hooks.checkpoint.max_keep_ckpts': -1}))
    runner = train(small_config(images, tmp_path / 'resumed', seed=None),
                   str(tmp_path / 'whole' / 'epoch_1.pth'))
    assert runner.train_dataloader.sampler.seed == runner.seed
    assert same_bits(weights(tmp_path / 'whole', 4),
                     weights(tmp_path / 'resumed', 4))


def test_without_the_hook_mmengine_repeats_numbers(images, whole, tmp_path):
    """What the hook is for: this is why the tests above can fail."""
    cfg = small_config(images, tmp_path)
    make_safe(cfg, str(whole / 'epoch_2.pth'))
    cfg.custom_hooks = []
    cfg.experiment_name = f'plain_{time.time_ns()}'
    Runner.from_cfg(cfg).train()
    assert not same_bits(weights(tmp_path, 4), weights(whole, 4))


def test_steps_draw_different_numbers(images, tmp_path):
    runner = train(small_config(images, tmp_path, epochs=1))
    hook, = [h for h in runner.hooks
             if type(h).__name__ == 'ReproducibleHook']
    drawn = []
    for step in (0, 1, 0):
        runner.train_loop._iter = step
        hook.before_train_iter(runner, 0)
        drawn.append((float(torch.rand(())), random.random(),
                      np.random.rand()))
    assert drawn[0] == drawn[2]
    assert not set(drawn[0]) & set(drawn[1])  # by none of the three


def start(config, *options):
    return subprocess.Popen(
        [sys.executable, str(ROOT / 'tools' / 'train.py'), str(config),
         *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, env={**os.environ, 'OMP_NUM_THREADS': '1'})


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize('seed', range(4))
def test_killed_at_random_moments(images, tmp_path, seed):
    """SIGKILL, several times in one run, then on to the end."""
    changes = {'train_dataloader.dataset.data_root': str(images)}
    paths = {}
    for name in ('whole', 'killed'):
        paths[name] = tmp_path / name
        cfg = small_config(images, paths[name], epochs=12, num_workers=2,
                           **changes)
        cfg.dump(tmp_path / f'{name}.py')
    reference = start(tmp_path / 'whole.py')
    assert reference.wait() == 0, reference.stdout.read()[-2000:]
    numbers = random.Random(seed)
    kills = 0
    while kills < 3:
        process = start(tmp_path / 'killed.py', '--resume')
        for line in process.stdout:  # until training runs
            if 'Epoch(train)' in line:
                break
        time.sleep(numbers.uniform(0, .5))
        running = process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if not running:
            break
        kills += 1
        latest = checkpoints.find_latest(paths['killed'])
        assert latest is None or checkpoints.is_complete(latest)
    assert kills
    last = start(tmp_path / 'killed.py', '--resume')
    output = last.communicate()[0]
    assert last.returncode == 0, output[-2000:]
    assert same_bits(weights(paths['killed'], 12),
                     weights(paths['whole'], 12))
    assert not list(paths['killed'].glob('*.part'))
