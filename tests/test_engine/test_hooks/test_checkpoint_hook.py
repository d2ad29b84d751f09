"""Old checkpoints go when the new one is there, not before."""
import copy
import errno
import os
import time

import pytest
from mmengine.fileio import LocalBackend
from mmengine.runner import Runner
from small_run import small_config, write_images

from alignmix_mm.cli.common import make_safe
from alignmix_mm.engine import checkpoints, compat


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('images'))


def make_runner(images, work_dir, **changes):
    cfg = small_config(images, work_dir, **{
        'default_hooks.checkpoint.max_keep_ckpts': 1, **changes})
    loader = copy.deepcopy(cfg.train_dataloader)
    loader.sampler.shuffle = False
    loader.dataset.pipeline = [cfg.train_dataloader.dataset.pipeline[n]
                               for n in (0, -1)]
    cfg.merge_from_dict(dict(
        val_dataloader=loader, val_cfg=dict(), val_evaluator=dict(
            type='Accuracy'), train_cfg=dict(val_interval=1)))
    make_safe(cfg)
    cfg.experiment_name = f'run_{time.time_ns()}'
    return Runner.from_cfg(cfg)


def weights_in(folder):
    return sorted(name for name in os.listdir(folder)
                  if name.endswith('.pth'))


class Scores:
    """Accuracies of the epochs, one after the other."""

    def __init__(self, *values):
        self.values = list(values)

    def __call__(self, *_):
        return {'accuracy/top1': self.values.pop(0)}


@pytest.fixture
def writes(monkeypatch):
    """What was in the folder when a checkpoint was written."""
    seen = []
    compat.enable()  # or the hook would do it later
    put = LocalBackend.put

    def watch(self, obj, filepath):
        if str(filepath).endswith('.pth'):
            folder, name = os.path.split(filepath)
            seen.append((name, weights_in(folder)))
        put(self, obj, filepath)

    monkeypatch.setattr(LocalBackend, 'put', watch)
    return seen


def test_the_last_one_is_there_while_the_next_is_written(
        images, tmp_path, writes):
    make_runner(images, tmp_path).train()
    assert writes == [('epoch_1.pth', [])] + [
        (f'epoch_{n + 1}.pth', [f'epoch_{n}.pth']) for n in (1, 2, 3)]
    assert weights_in(tmp_path) == ['epoch_4.pth']
    latest = checkpoints.find_latest(tmp_path)
    assert latest == tmp_path / 'epoch_4.pth'
    assert checkpoints.is_complete(latest)


def test_the_best_one_too(images, tmp_path, writes, monkeypatch):
    runner = make_runner(images, tmp_path, **{
        'default_hooks.checkpoint.save_best': 'accuracy/top1'})
    monkeypatch.setattr('mmengine.evaluator.Evaluator.evaluate',
                        Scores(10., 30., 20., 40.))
    runner.train()
    best = [(name, [n for n in there if n.startswith('best')])
            for name, there in writes if name.startswith('best')]
    name = 'best_accuracy_top1_epoch_{}.pth'.format
    assert best == [(name(1), []), (name(2), [name(1)]),
                    (name(4), [name(2)])]
    assert weights_in(tmp_path) == [name(4), 'epoch_4.pth']
    # the last one is written again, to know of the best one: it stays
    assert all(there for written, there in writes[1:])


def test_no_space_left_keeps_the_last_one(images, tmp_path, monkeypatch):
    def fail(data, filename):
        if str(filename).endswith('epoch_3.pth'):
            raise OSError(errno.ENOSPC, 'No space left on device')
        checkpoints.write_whole(data, filename)

    compat.enable()
    monkeypatch.setattr(LocalBackend, 'put', lambda self, *args: fail(*args))
    with pytest.raises(OSError, match='No space left'):
        make_runner(images, tmp_path).train()
    assert weights_in(tmp_path) == ['epoch_2.pth']
    assert checkpoints.is_complete(checkpoints.find_latest(tmp_path))


def test_what_was_left_unfinished_is_removed(images, tmp_path):
    part = tmp_path / 'epoch_1.pth.part'
    other = tmp_path / 'other.part'
    part.write_bytes(b'half')
    other.write_bytes(b'not ours')
    make_runner(images, tmp_path, **{'train_cfg.max_epochs': 1}).train()
    assert not part.exists() and other.exists()
