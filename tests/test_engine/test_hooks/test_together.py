"""Our hooks, at their default settings, beside each other."""
import itertools
import re
from unittest import mock

import pytest
from mmengine.hooks import Hook
from mmpretrain.registry import DATASETS
from tiny_run import (
    TinyImages,
    differing,
    make_runner,
    outcome,
    tiny_config,
    train,
)

HOOKS = ('FiniteLossHook', 'MixLogHook', 'MixSchedule',
         'MixVisualizationHook', 'NumClassCheckHook', 'ProgressHook',
         'ReproducibleHook', 'ResumableCheckpointHook')
OPTIONS = {'MixSchedule': dict(off_last=2)}  # it has no defaults


def make_config(folder, names, **changes):
    """104 steps: MixLogHook measures step 100, which is not mixed."""
    cfg = tiny_config(folder, epochs=13, **{
        'train_dataloader.batch_size': 3,
        'train_dataloader.dataset.pipeline': [dict(type='PackInputs')],
        'default_hooks.logger.interval': 50,
        'default_hooks.checkpoint.interval': 12,
        'train_cfg.val_interval': 12, **changes})
    cfg.custom_hooks = [
        dict(type=name, **OPTIONS.get(name, {})) for name in names
        if name != 'ResumableCheckpointHook']
    return cfg


def run_alone(cfg, with_checkpoints, resume=None):
    """Without the hooks that our commands add."""
    def leave_hooks(cfg, resume, on_nan):
        if with_checkpoints:
            cfg.default_hooks.checkpoint.type = 'ResumableCheckpointHook'
        if resume:
            cfg.resume, cfg.load_from = True, resume

    with mock.patch('tiny_run.make_safe', leave_hooks):
        return train(cfg, resume)


@pytest.mark.slow
@pytest.mark.parametrize('names', itertools.combinations(HOOKS, 2),
                         ids='-'.join)
def test_pairs(tmp_path, names):
    cfg = make_config(tmp_path, names)
    runner = run_alone(cfg, HOOKS[-1] in names)
    assert runner.iter == 104
    runner = run_alone(cfg, HOOKS[-1] in names,
                       str(tmp_path / 'epoch_12.pth'))
    assert runner.iter == 104


def test_all_of_them(tmp_path, capsys):
    cfg = make_config(tmp_path, HOOKS)
    whole = train(cfg)
    assert whole.iter == 104
    resumed = train(make_config(tmp_path, HOOKS), tmp_path / 'epoch_12.pth')
    assert not differing(outcome(whole), outcome(resumed))
    assert 'could not' not in capsys.readouterr().out


class NoMixing(Hook):
    """What MMPretrain's SwitchRecipeHook does with `batch_augments=None`."""

    def before_train_epoch(self, runner):
        if runner.epoch == 1:
            runner.model.data_preprocessor.batch_augments = None


WATCHERS = [dict(type='MixLogHook', interval=1),
            dict(type='MixVisualizationHook', interval=2)]


def test_labels_may_become_integers(tmp_path, capsys):
    cfg = tiny_config(tmp_path)
    cfg.custom_hooks = WATCHERS
    runner = make_runner(cfg)
    runner.register_hook(NoMixing())
    runner.train()
    assert 'could not' not in capsys.readouterr().out
    accuracies = runner.message_hub.get_scalar('train/mixed_acc')
    assert len(accuracies.data[0]) == 8


@pytest.mark.parametrize('method', [
    dict(type='PuzzleMix', blocks=2),
    *(pytest.param(method, marks=pytest.mark.slow) for method in (
        dict(type='SaliencyMix', mean=[0.] * 3, std=[255.] * 3),
        dict(type='CoMixup', blocks=2),
        dict(type='AlignMix', modes=['feat'])))],
    ids=lambda method: method['type'])
def test_a_recipe_may_change_during_a_run(tmp_path, method, capsys):
    """What needs the model's preprocessor gets it, as in a config."""
    cfg = tiny_config(tmp_path, epochs=2)
    cfg.model.head.loss.use_soft = True
    cfg.custom_hooks = [*WATCHERS, dict(type='SwitchRecipeHook', schedule=[
        dict(action_epoch=2, batch_augments=dict(augments=[method]))])]
    runner = make_runner(cfg)
    runner.train()
    augment, = runner.model.data_preprocessor.batch_augments.augments
    assert type(augment).__name__ == method['type']
    assert runner.epoch == 2 and 'could not' not in capsys.readouterr().out


def test_a_recipe_that_does_not_fit_is_refused_when_it_comes(tmp_path):
    cfg = tiny_config(tmp_path, epochs=2)
    cfg.custom_hooks = [dict(type='SwitchRecipeHook', schedule=[dict(
        action_epoch=2, batch_augments=dict(augments=[
            dict(type='AlignMix', modes=['clean'])]))])]
    runner = make_runner(cfg)
    with pytest.raises(ValueError, match="'clean'.*AlignMixAEClassifier"):
        runner.train()
    assert runner.epoch == 1


@DATASETS.register_module()
class Sizes(TinyImages):
    """Images of 6x8, 8x8 and 8x7."""

    def load_data_list(self):
        data = super().load_data_list()
        for n, item in enumerate(data):
            item['img'] = item['img'][n % 3 // 2 * 2:, :8 - n % 2]
        return data


@pytest.mark.parametrize('augment', [
    dict(type='AlignMix'), dict(type='Mixup', alpha=1.)], ids=str)
def test_images_of_different_sizes(tmp_path, augment, capsys):
    """They are padded alike, whatever mixes them and whoever watches."""
    cfg = tiny_config(tmp_path, epochs=1, **{
        'train_dataloader.collate_fn': dict(type='pseudo_collate'),
        'train_dataloader.dataset.type': 'Sizes', 'val_cfg': None,
        'val_dataloader': None, 'val_evaluator': None,
        'model.train_cfg.augments': [augment]})
    cfg.custom_hooks = [WATCHERS[0], dict(WATCHERS[1], interval=99)]
    runner = train(cfg)
    assert runner.iter == 4
    assert 'could not' not in capsys.readouterr().out
    if augment['type'] == 'AlignMix':
        assert (tmp_path / runner.timestamp / 'vis_data' / 'vis_image' /
                'mixed_batch_1.png').exists()


def fail(*args, **kwargs):
    raise OSError('the network is down')


@pytest.mark.parametrize('broken, hook', [
    ('alignmix_mm.engine.hooks.mix_log._measure', 'MixLogHook'),
    ('alignmix_mm.engine.hooks.mix_visualization.plot_mixed_batch',
     'MixVisualizationHook'),
    ('alignmix_mm.engine.hooks._observer.StepObserver.__init__',
     'MixLogHook')])
def test_who_watches_never_ends_a_run(tmp_path, capsys, monkeypatch, broken,
                                      hook):
    cfg = tiny_config(tmp_path, epochs=1, **{
        'model.train_cfg.augments': [dict(type='AlignMix')],
        'default_hooks.logger.interval': 99, 'val_cfg': None,
        'val_dataloader': None, 'val_evaluator': None})
    cfg.custom_hooks = WATCHERS
    runner = make_runner(cfg)
    monkeypatch.setattr(broken, fail)
    runner.train()
    assert runner.iter == 4
    output = capsys.readouterr().out
    assert len(re.findall(f'{hook} failed in step [1-4]: OSError: '
                          'the network is down', output)) == 1
    reads = [hook.observer for hook in runner.hooks
             if hasattr(hook, 'observer') and hook.observer]
    assert all(observer.images is None for observer in reads)
