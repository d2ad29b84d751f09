"""What class a part of a config names."""
import pytest
from mmengine.config import ConfigDict
from mmengine.hooks import CheckpointHook
from mmpretrain.models import ResNet
from mmpretrain.registry import HOOKS, MODELS

from alignmix_mm.engine.kinds import class_of, name_of


@pytest.mark.parametrize('part', [
    'ResNet', 'mmpretrain.ResNet', 'mmpretrain.models.ResNet', ResNet,
    'mmpretrain.models.backbones.resnet.ResNet'])
def test_five_ways_to_say_it(part):
    for whole in part, dict(type=part), ConfigDict(type=part, depth=18):
        assert class_of(whole, MODELS) is ResNet
        assert name_of(whole, MODELS) == 'ResNet'


@pytest.mark.parametrize('part', [
    None, {}, dict(type=None), dict(depth=18), 'Nobody', 'no.where.Nobody',
    dict(type='Nobody')])
def test_nothing_and_nobody(part):
    assert class_of(part, MODELS) is None
    name = part.get('type') if isinstance(part, dict) else part
    assert name_of(part, MODELS) == str(name)


def test_what_is_built_already_and_functions():
    assert class_of(CheckpointHook(), HOOKS) is CheckpointHook
    assert class_of(dict(type=len), HOOKS) is len
    assert class_of('CheckpointHook', HOOKS) is CheckpointHook
