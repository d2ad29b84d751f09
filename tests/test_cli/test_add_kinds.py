"""`alignmix add` on configs that say the same thing in another way."""
import copy
import re

import pytest
from commands import alignmix
from mmengine.config import Config
from torch import nn

from alignmix_mm.cli.adding.classifier import build, image_size
from alignmix_mm.cli.adding.method import add_method

NETWORK = '''
model = dict(
    type={0}ImageClassifier{0},
    backbone=dict(type={0}ResNet_CIFAR{0}, depth=18, base_channels=8,
                  stem_channels=8, in_channels={1}),
    neck=dict(type={0}GlobalAveragePooling{0}),
    head=dict(type={0}LinearClsHead{0}, num_classes=5, in_channels=64,
              cal_acc=True, loss=dict(type={0}CrossEntropyLoss{0})))
data_preprocessor = dict(mean=[127.] * {1}, std=[60.] * {1})
train_dataloader = dict(dataset=dict(
    type={0}CustomDataset{0}, data_root='x',
    pipeline=[dict(type={0}RandomCrop{0}, crop_size=33)]))
'''
SHORT = "default_scope = 'mmpretrain'" + NETWORK.format("'", 3)
SCOPED = re.sub(r"type='", "type='mmpretrain.", NETWORK.format("'", 1))
PURE = '''
from mmpretrain.datasets import CustomDataset, RandomCrop
from mmpretrain.models import (
    CrossEntropyLoss, GlobalAveragePooling, ImageClassifier, LinearClsHead,
    ResNet_CIFAR)
''' + NETWORK.format('', 4)
NONE = SHORT + '''
model['train_cfg'] = None
model['init_cfg'] = None
custom_imports = None
data_preprocessor = None
'''
# a network without a neck, and neither size nor number of classes is said
BARE = '''
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='VisionTransformer', img_size=32, patch_size=8,
                  arch=dict(embed_dims=8, num_layers=4, num_heads=2,
                            feedforward_channels=16)),
    neck=None,
    head=dict(type='LinearClsHead', num_classes=3, in_channels=8))
'''
KINDS = {'short': SHORT, 'scoped': SCOPED, 'pure': PURE, 'none': NONE}


def add(config, out, *options, code=0):
    return alignmix('add', config, '--out', out, *options, code=code)


@pytest.fixture
def write(tmp_path):
    def write(text, name='base.py'):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
        return path
    return write


@pytest.mark.parametrize('kind', KINDS)
def test_what_a_config_says_makes_no_difference(kind, write):
    base = write(KINDS[kind])
    out = base.with_name('new.py')
    assert 'one step of each mode was trained' in add(base, out)
    cfg = Config.fromfile(out)
    assert cfg.model.mix_at == 'layer4.0'
    assert cfg.model.head.cal_acc is False
    assert cfg.model.head.loss.use_soft is True
    assert cfg.train_dataloader.drop_last is True
    assert len(cfg.model.train_cfg.augments) == 1
    model = build(cfg, train_cfg=cfg.model.train_cfg)
    assert type(model).__name__ == 'AlignMixClassifier'
    reference = build(Config.fromfile(base))
    assert model.state_dict().keys() == reference.state_dict().keys()


@pytest.mark.parametrize('kind', ['pure', 'none'])
def test_the_papers_f_of_every_kind(kind, write):
    base = write(KINDS[kind])
    out = base.with_name('new.py')
    add(base, out, '--embed', '7')
    cfg = Config.fromfile(out)
    assert cfg.model.neck.embed.out_channels == 7
    assert cfg.model.head.in_channels == 7
    assert type(build(cfg, train_cfg=None).neck).__name__ == 'AlignMixNeck'


def test_what_is_none_is_replaced(write):
    """MMEngine merges no dict into None."""
    cfg = Config.fromfile(write(NONE + '''
train_dataloader = None
model['neck'] = None
model['head']['num_classes'] = None
'''))
    neck = dict(type='AlignMixNeck', embed=dict(type='LinearEmbedding'))
    new = add_method(cfg, num_classes=5, neck=neck)
    assert new.model.neck == neck
    assert new.train_dataloader == dict(drop_last=True)
    assert new.data_preprocessor == dict(num_classes=5)
    assert new.model.train_cfg == dict(augments=[
        dict(type='AlignMix', alpha=2.)])


def test_no_neck(write):
    base = write(BARE)
    out = base.with_name('new.py')
    add(base, out)
    cfg = Config.fromfile(out)
    assert cfg.model.mix_at == 'layers.2' and cfg.model.neck is None


def test_auto_is_written_as_such(write):
    base = write(SHORT)
    out = base.with_name('new.py')
    add(base, out, '--mix-at', 'auto')
    assert Config.fromfile(out).model.mix_at == 'auto'
    assert '# Here it is layer4.0' in out.read_text()


def test_pure_python_configs_are_imported_where_that_can_be(write):
    base = write(PURE, 'one/base.py')
    above = base.parents[1] / 'two' / 'deep' / 'new.py'
    add(base, above)
    assert 'from ...one.base import *' in above.read_text()
    odd = write(PURE, 'not-a-name/base.py')
    text = add(odd, above, '--force', code=1)
    assert 'Python cannot import the name not-a-name/base' in text
    assert 'from ...one.base import *' in above.read_text()  # as it was
    assert 'trained' in add(odd, odd.with_name('new.py'))


@pytest.mark.parametrize('change, message', [
    ("model['head']['loss'] = dict(type='SeesawLoss', num_classes=5)",
     'a loss for soft labels with AlignMix, but got SeesawLoss'),
    ("model['head'] = dict(type='MultiTaskHead', in_channels=64, task_heads="
     "{'a': dict(type='LinearClsHead', num_classes=2)})",
     'got MultiTaskHead, whose labels MMPretrain never mixes'),
    ("model['head']['in_channels'] = 65", 'Set `head.in_channels` to 64'),
    ("model['neck'] = None", r'got \(2, 64, \d, \d\). Set `neck`'),
    ("model['type'] = 'Nobody'", "model.type='ImageClassifier', but got 'Nob"),
    ("model['backbone']['type'] = 'Nobody'", 'does not build: KeyError'),
    ("model['backbone']['depth'] = 19", 'does not build: AssertionError|Key'),
    ('model = None', 'Expected the config of a classifier'),
])
def test_what_cannot_be_done_is_a_sentence(change, message, write):
    base = write(f'{SHORT}\n{change}')
    text = add(base, base.with_name('new.py'), code=1)
    assert re.search(message, text), text
    assert 'Traceback' not in text and len(text.splitlines()) <= 2
    assert not base.with_name('new.py').exists()


def test_places_are_suggested_and_listed(write):
    base = write(SHORT)
    out = base.with_name('new.py')
    text = add(base, out, '--mix-at', 'conv2', code=1)
    assert "'layer4.1.conv2'" in text and 'All features flow through ' in text
    text = add(base, out, '--mix-at', 'layer4.1.conv1', code=1)
    assert 'some features bypass it. All features flow ' in text
    assert 'layer4.0, ' in text
    assert 'it ran 2 times' in add(base, out, '--mix-at', 'layer4.1.relu',
                                   code=1)


def test_a_function_does_the_same_to_a_config_in_memory(write):
    cfg = Config.fromfile(write(PURE))
    before = copy.deepcopy(cfg.to_dict())
    new = add_method(cfg, mix_at='auto')
    assert cfg.to_dict() == before
    assert new.model.mix_at == 'auto'
    assert new.model.train_cfg.augments == [
        dict(type='alignmix_mm.AlignMix', alpha=2.0)]
    mixup = add_method(cfg, dict(type='mmpretrain.Mixup', alpha=.2))
    assert mixup.model.type is cfg.model.type  # any classifier will do
    assert mixup.model.train_cfg.augments[0].alpha == .2
    assert type(build(mixup, train_cfg=mixup.model.train_cfg)).__name__ == (
        'ImageClassifier')


@pytest.mark.parametrize('pipeline, size', [
    ([dict(type='Resize', scale=32)], 32),
    ([dict(type='mmpretrain.Resize', scale=(40, 36)),
      dict(type='RandomFlip')], 40),
    ([dict(type='ResizeEdge', scale=60), dict(type='CenterCrop',
                                              crop_size=48)], 48),
    ([dict(type='RandomResizedCrop', scale=44)], 44), (None, 24)])
def test_the_size_of_the_images(pipeline, size):
    cfg = Config(dict(model=dict(backbone=dict(img_size=24)),
                      train_dataloader=dict(dataset=dict(pipeline=pipeline))))
    assert image_size(cfg) == size


class Wrapped(nn.Module):
    """A network within another one, as TIMMBackbone has it."""

    def __init__(self):
        super().__init__()
        self.inner_model = nn.Module()
        self.inner_model.blocks = nn.Sequential(*(nn.Sequential(
            nn.Conv2d(before, 8, 3, padding=1), nn.ReLU())
            for before in (3, 8, 8)))

    def forward(self, x):
        return (self.inner_model.blocks(x), )


def test_wrappers_are_descended_through(write):
    base = write(SHORT + '''
model['backbone'] = dict(type='test_add_kinds.Wrapped')
model['head']['in_channels'] = 8
''')
    out = base.with_name('new.py')
    add(base, out)
    assert Config.fromfile(out).model.mix_at == 'inner_model.blocks.1'
    text = add(base, out, '--force', '--mix-at', 'blocks.1', code=1)
    assert "'inner_model.blocks.1'" in text


@pytest.mark.slow
def test_timm(write):
    pytest.importorskip('timm')
    base = write(SHORT + '''
model['backbone'] = dict(type='TIMMBackbone', model_name='efficientnet_lite0',
                         pretrained=True, in_channels=3)
model['head']['in_channels'] = 1280
train_dataloader['dataset']['pipeline'][0]['crop_size'] = 64
''')
    out = base.with_name('new.py')
    add(base, out)
    assert Config.fromfile(out).model.mix_at == 'timm_model.blocks.5'
    assert "'timm_model.blocks.5'" in add(
        base, out, '--force', '--mix-at', 'blocks.5', code=1)


def test_images_are_as_the_network_takes_them(write):
    text = SHORT.replace('in_channels=3', 'in_channels=1')
    text = add(write(text), write('', 'new.py'), '--force', code=1)
    assert 'to have 1 channels, but got 3' in text  # normalized for three
