"""Configs that are read without being executed."""
import math

import pytest
from built_configs import NAMES, read
from mmengine.config import Config

from alignmix_mm.engine.stored_config import check_stored, parse_config


@pytest.mark.parametrize('name', NAMES[::15])
def test_configs_of_the_repository_come_back(name):
    cfg = read(name)
    assert parse_config(cfg.pretty_text).to_dict() == cfg.to_dict()


@pytest.mark.slow
def test_all_configs_of_the_repository_come_back():
    for name in NAMES:
        test_configs_of_the_repository_come_back(name)


def test_values_of_all_kinds():
    given = {'a': (1, [2., None]), 'b': {'x y': -1, 3: {'c': 'd\n"\''}},
             'e': -math.inf, 'f': {'type': 'G', 'k': True}, 'h': {1, 2},
             'i': 'r_$SEED', 'j': b'x', 'k': 1e-9, 'l': {}, 'm': ()}
    text = Config(given).pretty_text
    found = parse_config(text).to_dict()
    assert found == given and isinstance(found['a'], tuple)
    assert math.isnan(parse_config('a = nan').a)


@pytest.mark.parametrize('text', [
    'import os', 'a = os.system("x")', 'a = [__import__("os")]', 'a.b = 1',
    'a = b', 'a = dict(**{"x": 1})', 'a = f"{open}"', 'a = lambda: 1',
    'a = dict(print(1))', 'a = [x for x in (1, )]', 'a: int = 1',
    'a = dict(b=(yield))', 'a = 1 if True else 2', 'a = "%s" % open',
    'def f(): pass', 'a = ' + '[' * 5000, 'a = 1\nfilename = "x"; b = \0',
    'a = dict([open])', '_base_ = open', 'exec("1")', 'a = b = 1',
    'a = -open', 'a = {**{}}', 'a = {[]: 1}'])
def test_everything_else_is_refused(text):
    with pytest.raises(ValueError):
        parse_config(text)


@pytest.mark.parametrize('part', [
    dict(type='AlignMixClassifier'), dict(type='mmpretrain.ResNet'),
    dict(type='alignmix_mm.AlignMix'), dict(type='torch.nn.ReLU'),
    dict(type='mmpretrain.models.backbones.resnet.ResNet'),
    [dict(type='LoadImageFromFile'), dict(type='DefaultSampler')],
    dict(type='torchvision/Resize', size=3), dict(a=dict(b=[dict(
        type='default_collate')]))])
def test_registered_classes_are_accepted(part):
    check_stored(part)


@pytest.mark.parametrize('part', [
    dict(type='os.system'), dict(a=[dict(b=dict(type='subprocess.Popen'))]),
    dict(type='system'), dict(type='mmengine.fileio.load'),
    dict(type='torch.load'), dict(type='torch.hub.load'), dict(type='eval'),
    dict(type='alignmix_mm.engine.checkpoints.load_trusted'),
    dict(type='mmengine.os.system'),
    dict(type='mmpretrain.NoSuchClass'), dict(type='ResNet', _scope_='evil'),
    dict(ann_file='http://host/a.json'), dict(ann_file='a.pkl'),
    dict(x=('s.YAML', )), dict(type='ResNet', trust_remote_code=True)])
def test_what_can_execute_code_is_refused(part):
    with pytest.raises(ValueError, match='registered here|scope|can execute'):
        check_stored(part)
