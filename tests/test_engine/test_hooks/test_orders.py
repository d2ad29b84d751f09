"""However the data are ordered, a resumed run reads them as it would have."""
import pytest
import torch
from mmpretrain.registry import DATA_SAMPLERS
from tiny_run import by_iterations, differing, outcome, tiny_config, train


@DATA_SAMPLERS.register_module()
class TorchRandomSampler(torch.utils.data.RandomSampler):
    """It has no seed of its own."""

    def __init__(self, dataset, seed=None):
        super().__init__(dataset)


def repeated(cfg):
    loader = cfg.train_dataloader
    loader.dataset = dict(type='RepeatDataset', times=2,
                          dataset=loader.dataset)


def balanced(cfg):
    loader = cfg.train_dataloader
    loader.dataset = dict(type='ClassBalancedDataset', oversample_thr=.5,
                          dataset=loader.dataset)


def without_index(cfg):
    cfg.train_dataloader.dataset.type = 'TinyImagesWithoutIndex'


def random_sampler(cfg):
    cfg.train_dataloader.sampler = dict(type='TorchRandomSampler')


def repeating_sampler(cfg):
    cfg.train_dataloader.sampler.type = 'RepeatAugSampler'


def by_passes(cfg):
    by_iterations(cfg, sampler='DefaultSampler')


def within_epochs(cfg):
    cfg.default_hooks.checkpoint.by_epoch = False


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize('change, stop, workers', [
    slow(repeated, 'epoch_1', 0), slow(balanced, 'epoch_1', 0),
    (without_index, 'epoch_1', 2), slow(random_sampler, 'epoch_1', 0),
    slow(repeating_sampler, 'epoch_1', 0),
    slow(by_iterations, 'iter_5', 0), (by_iterations, 'iter_5', 1),
    slow(by_passes, 'iter_5', 0),
    (within_epochs, 'iter_3', 0), slow(within_epochs, 'iter_4', 0),
    slow(within_epochs, 'iter_6', 2)], ids=lambda value: getattr(
        value, '__name__', str(value)))
def test_a_resumed_run_has_the_same_bits(tmp_path, change, stop, workers,
                                         monkeypatch):
    monkeypatch.setattr('time.sleep', lambda seconds: None)  # of MMEngine
    found = {}
    for name, resume in (('whole', None), ('rest', 'whole')):
        cfg = tiny_config(tmp_path / name)
        change(cfg)
        cfg.train_dataloader.num_workers = workers if resume else 0
        cfg.train_dataloader.persistent_workers = bool(resume and workers)
        found[name] = outcome(train(
            cfg, resume and tmp_path / resume / f'{stop}.pth'))
    assert not differing(found['whole'], found['rest'])


def test_another_number_of_batches_is_said(tmp_path, capsys):
    train(tiny_config(tmp_path, epochs=1))
    cfg = tiny_config(tmp_path, **{'train_dataloader.batch_size': 8})
    train(cfg, tmp_path / 'epoch_1.pth')
    output = capsys.readouterr().out
    assert '4 batches (now 3)' in output
    assert 'will differ from an uninterrupted run' in output
