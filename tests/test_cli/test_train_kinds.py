"""`alignmix train` with a config that names classes by themselves."""
import pytest
import torch
from commands import alignmix

PURE = '''
from mmengine.hooks import CheckpointHook, LoggerHook
from mmengine.optim import OptimWrapper
from mmpretrain.datasets import PackInputs
from mmpretrain.models import (
    GlobalAveragePooling, ImageClassifier, LinearClsHead)
from torch.optim import SGD

from alignmix_mm import (
    AlignMix, AlignMixClassifier, Digits, PreActResNet_CIFAR)

model = dict(
    type=AlignMixClassifier, mix_at='auto',
    backbone=dict(type=PreActResNet_CIFAR, depth=18, base_channels=4),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=LinearClsHead, num_classes=10, in_channels=32),
    train_cfg=dict(augments=[dict(type=AlignMix, modes='feat')]))
data_preprocessor = dict(mean=[75.] * 3, std=[95.] * 3)
train_dataloader = dict(
    batch_size=16, num_workers=0, drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type=Digits, split='train', image_size=16, indices=32,
                 pipeline=[dict(type=PackInputs)]))
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=.01))
train_cfg = dict(by_epoch=True, max_epochs=1)
default_scope = 'mmpretrain'
default_hooks = dict(logger=dict(type=LoggerHook, interval=1),
                     checkpoint=HOOK)
'''


@pytest.mark.parametrize('hook, kept', [
    ('dict(type=CheckpointHook, interval=1)', True), ('None', False)])
def test_our_hook_is_not_lost(hook, kept, tmp_path):
    """It keeps what resuming needs; None is no hook, and no error."""
    (tmp_path / 'pure.py').write_text(PURE.replace('HOOK', hook))
    text = alignmix('train', tmp_path / 'pure.py', '--work-dir', tmp_path)
    assert 'Epoch(train) [1][2/2]' in text
    assert "mix_at='auto': maps are mixed at layer4.0" in text
    files = [path.name for path in tmp_path.glob('*.pth')]
    assert files == ['epoch_1.pth'] * kept
    if kept:
        saved = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)
        assert 'mix_draws' in saved['message_hub']['runtime_info']
