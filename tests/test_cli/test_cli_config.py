"""What the tools make of a config."""
import importlib.util
import time

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS, VISBACKENDS
from mmengine.runner import Runner
from mmengine.visualization import MLflowVisBackend
from small_run import small_config, write_images

from alignmix_mm import FiniteLossHook, MixLogHook, ResumableCheckpointHook
from alignmix_mm.cli.common import add_visualizers, make_safe
from alignmix_mm.cli.common.config import read_config
from alignmix_mm.engine.hooks.backends import MLflowImageVisBackend
from alignmix_mm.engine.kinds import class_of


def config(tmp_path, **options):
    return Config(dict(work_dir=str(tmp_path), **options))


def types(cfg):
    return [hook['type'] for hook in cfg.custom_hooks]


def test_hooks_are_added_once(tmp_path):
    mine = dict(type='FiniteLossHook', action='skip', max_skipped=3)
    cfg = config(tmp_path, custom_hooks=[dict(type='EMAHook'), mine])
    make_safe(cfg)
    assert types(cfg) == ['EMAHook', 'FiniteLossHook',
                          'alignmix_mm.ReproducibleHook',
                          'alignmix_mm.MixLogHook', 'alignmix_mm.SummaryHook',
                          'alignmix_mm.ResumedScheduleHook',
                          'alignmix_mm.InterruptHook']
    assert cfg.custom_hooks[1] == mine
    make_safe(cfg)
    assert len(cfg.custom_hooks) == 7
    other = config(tmp_path)
    make_safe(other, on_nan='skip')
    assert dict(type='alignmix_mm.FiniteLossHook', action='skip') in (
        other.custom_hooks)


@pytest.mark.parametrize('given, expected', [
    (None, dict(type='alignmix_mm.ResumableCheckpointHook', interval=1)),
    (dict(type='CheckpointHook', interval=7, max_keep_ckpts=2),
     dict(type='alignmix_mm.ResumableCheckpointHook', interval=7,
          max_keep_ckpts=2)),
    (dict(type=CheckpointHook, by_epoch=False), dict(
        type='alignmix_mm.ResumableCheckpointHook', by_epoch=False)),
    *((dict(type=f'{scope}.CheckpointHook'), dict(
        type='alignmix_mm.ResumableCheckpointHook'))
      for scope in ('mmengine', 'mmpretrain', 'mmengine.hooks')),
    (dict(type=ResumableCheckpointHook), dict(type=ResumableCheckpointHook)),
    (dict(type='MyCheckpointHook'), dict(type='MyCheckpointHook'))])
def test_checkpoints_of_mmengine_are_made_resumable(tmp_path, given, expected):
    hooks = {} if given is None else dict(
        default_hooks=dict(checkpoint=given))
    cfg = config(tmp_path, **hooks)
    make_safe(cfg)
    assert cfg.default_hooks.checkpoint == expected


@pytest.mark.parametrize('given, expected', [
    (None, dict(type='alignmix_mm.ResumableCheckpointHook', interval=1)),
    (dict(checkpoint=None), None)])
def test_none_is_what_the_user_wants(given, expected, tmp_path):
    """In MMEngine, a default hook that is None is left out."""
    cfg = config(tmp_path, default_hooks=given)
    make_safe(cfg)
    assert cfg.default_hooks.checkpoint == expected


def test_hooks_are_known_by_any_name(tmp_path):
    mine = [dict(type=FiniteLossHook), MixLogHook(),
            dict(type='alignmix_mm.engine.hooks.ReproducibleHook')]
    cfg = config(tmp_path, custom_hooks=mine)
    make_safe(cfg)
    kinds = [class_of(hook, HOOKS) if isinstance(hook, dict) else type(hook)
             for hook in cfg.custom_hooks]
    assert len(kinds) == len({*kinds}) > 3


def test_configs_are_found_by_path_or_name(tmp_path):
    (tmp_path / 'mine.py').write_text('a = 1')
    assert read_config(str(tmp_path / 'mine.py')).a == 1
    for prefix in '', 'alignmix_mm::':
        cfg = read_config(f'{prefix}demo/alignmix_digits.py')
        assert cfg.model.type == 'AlignMixClassifier'
    other = read_config('mmpretrain::resnet/resnet18_8xb16_cifar10.py')
    assert other.model.backbone.depth == 18
    with pytest.raises(SystemExit, match=(
            'no config file alignmix_digit.py, and .*Did you mean demo/')):
        read_config('alignmix_digit.py')


def test_from_where_it_resumes(tmp_path, capsys):
    cfg = config(tmp_path, load_from='pretrained.pth')
    make_safe(cfg)
    assert 'resume' not in cfg and cfg.load_from == 'pretrained.pth'
    make_safe(cfg, 'auto')  # nothing to resume: start as the config says
    assert cfg.resume is False and cfg.load_from == 'pretrained.pth'
    assert str(tmp_path) in capsys.readouterr().out
    torch.save(dict(), tmp_path / 'epoch_1.pth')
    make_safe(cfg, 'auto')
    assert cfg.resume is True
    assert cfg.load_from == str(tmp_path / 'epoch_1.pth')
    with pytest.raises(SystemExit, match='no checkpoint none.pth'):
        make_safe(cfg, 'none.pth')


def test_where_a_run_can_be_watched(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: name)
    given = dict(type='WandbVisBackend', mine=True)
    cfg = config(tmp_path / 'run', visualizer=dict(
        type='Mine', vis_backends=[given]))
    add_visualizers(cfg, ['tensorboard', 'wandb', 'mlflow'])
    assert cfg.visualizer.type == 'Mine'
    first, second, third = cfg.visualizer.vis_backends
    assert first == given  # as it was
    assert second == dict(type='TensorboardVisBackend')
    assert third.tracking_uri == f'sqlite:///{tmp_path}/mlflow.db'
    assert third.run_name == 'run'
    assert VISBACKENDS.get(third.type) is MLflowImageVisBackend
    assert types(cfg) == ['alignmix_mm.MixVisualizationHook']
    plain = config(tmp_path)
    add_visualizers(plain, ['wandb'])
    assert [b.type for b in plain.visualizer.vis_backends] == [
        'LocalVisBackend', 'WandbVisBackend']


def test_images_for_mlflow_are_files(tmp_path, monkeypatch):
    named = []
    monkeypatch.setattr(MLflowVisBackend, 'add_image',
                        lambda self, name, image, step: named.append(name))
    backend = MLflowImageVisBackend(str(tmp_path))
    backend.add_image('matches', None, step=7)
    assert named == ['matches_7.png']


def test_what_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(SystemExit, match='pip install wandb mlflow'):
        add_visualizers(config(tmp_path), ['wandb', 'mlflow'])


def test_tensorboard_is_written(tmp_path):
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,
    )
    cfg = small_config(write_images(tmp_path / 'images'), tmp_path / 'run',
                       epochs=1, **{'model.train_cfg': dict(
                           _delete_=True, augments=[
                               dict(type='AlignMix', modes='feat')])})
    make_safe(cfg)
    add_visualizers(cfg, ['tensorboard'])
    cfg.experiment_name = f'run_{time.time_ns()}'
    Runner.from_cfg(cfg).train()
    folder = next(tmp_path.glob('run/*/vis_data'))
    events = EventAccumulator(str(folder)).Reload()
    assert {'loss', 'loss_feat', 'lr'} <= set(events.Tags()['scalars'])
    assert {'mixed_batch', 'matches'} == set(events.Tags()['images'])
    assert (folder / 'vis_image' / 'mixed_batch_1.png').is_file()
