"""What the tools make of a config."""
import pytest
import torch
from mmengine.config import Config

from alignmix_mm.cli import make_safe


def config(tmp_path, **options):
    return Config(dict(work_dir=str(tmp_path), **options))


def types(cfg):
    return [hook['type'] for hook in cfg.custom_hooks]


def test_hooks_are_added_once(tmp_path):
    mine = dict(type='FiniteLossHook', action='skip', max_skipped=3)
    cfg = config(tmp_path, custom_hooks=[dict(type='EMAHook'), mine])
    make_safe(cfg)
    assert types(cfg) == ['EMAHook', 'FiniteLossHook',
                          'alignmix_mm.ReproducibleHook']
    assert cfg.custom_hooks[1] == mine
    make_safe(cfg)
    assert len(cfg.custom_hooks) == 3
    other = config(tmp_path)
    make_safe(other, on_nan='skip')
    assert other.custom_hooks[-1]['action'] == 'skip'


@pytest.mark.parametrize('given, expected', [
    (None, dict(type='alignmix_mm.ResumableCheckpointHook', interval=1)),
    (dict(type='CheckpointHook', interval=7, max_keep_ckpts=2),
     dict(type='alignmix_mm.ResumableCheckpointHook', interval=7,
          max_keep_ckpts=2)),
    (dict(type='MyCheckpointHook'), dict(type='MyCheckpointHook'))])
def test_checkpoints_of_mmengine_are_made_resumable(tmp_path, given, expected):
    hooks = {} if given is None else dict(
        default_hooks=dict(checkpoint=given))
    cfg = config(tmp_path, **hooks)
    make_safe(cfg)
    assert cfg.default_hooks.checkpoint == expected


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
