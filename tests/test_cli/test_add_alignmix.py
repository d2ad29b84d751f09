"""Configs that a tool wrote, for six kinds of backbones."""
import re

import pytest
import torch
from commands import alignmix
from mmengine.config import Config

from alignmix_mm.cli.adding.classifier import build, image_size, load
from alignmix_mm.cli.adding.probe import _extra_tokens, probe

CONFIGS = {  # and where mixing is known to matter
    'resnet/resnet18_8xb32_in1k': 'layer4.0',
    'deit/deit-tiny_4xb256_in1k': 'layers.10',
    'vgg/vgg11_8xb32_in1k': 'features.12',
    'mobilenet_v2/mobilenet-v2_8xb32_in1k': 'layer6',
    'convnext/convnext-tiny_32xb128_in1k': 'stages.3.1',
    'swin_transformer/swin-tiny_16xb64_in1k': 'stages.3.blocks.0',
    # blocks at the top; branches starting at zero; class tokens added late
    'mobilenet_v3/mobilenet-v3-small_8xb128_in1k': 'layer10',
    'convnext_v2/convnext-v2-atto_32xb32_in1k': 'stages.3.0',
    'xcit/xcit-nano-12-p16_8xb128_in1k': 'ca_layers.0',
}
SMALL = '''
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='PreActResNet_CIFAR', depth=18, base_channels=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=5, in_channels=64,
              cal_acc=True, loss=dict(type='CrossEntropyLoss')))
data_preprocessor = dict(mean=[127.] * 3, std=[60.] * 3)
custom_imports = dict(imports=['alignmix_mm'])
train_dataloader = dict(dataset=dict(type='CustomDataset', data_root='x',
    pipeline=[dict(type='RandomCrop', crop_size=32)]))
'''
TRANSFORMER = '''
model['backbone'] = dict(
    type='{}', img_size=32, patch_size=8, arch=dict(
        embed_dims=8, num_layers=7, num_heads=2, feedforward_channels=16))
model['neck'] = None
model['head']['in_channels'] = {}
'''
MLP_MIXER = '''
model['backbone'] = dict(
    type='MlpMixer', img_size=32, patch_size=8, arch=dict(
        embed_dims=64, num_layers=2, tokens_mlp_dims=8,
        channels_mlp_dims=16))
model['neck']['dim'] = 1
'''


def add(config, out, *options, code=0):
    return alignmix('add', config, '--out', out, *options, code=code)


@pytest.fixture
def small(tmp_path):
    (tmp_path / 'small.py').write_text(SMALL)
    return tmp_path / 'small.py'


@pytest.mark.slow
@pytest.mark.parametrize('name', CONFIGS)
def test_kinds_of_backbones(name, tmp_path):
    """The tool trains one step of each mode before it says so."""
    base = f'mmpretrain::{name}.py'
    out = tmp_path / 'folder' / 'new.py'
    assert 'one step of each mode was trained' in add(base, out)
    text = out.read_text()
    assert max(map(len, text.split('\n'))) < 80
    cfg, plain = Config.fromfile(out), load(base)
    assert cfg.model.mix_at == CONFIGS[name]
    assert cfg.train_dataloader.drop_last
    assert cfg.model.train_cfg.augments == [dict(type='AlignMix', alpha=2.)]
    assert ('Mixup' in text) == ('train_cfg' in plain.model)
    # the same network: weights and predictions are exchanged
    model = build(cfg, train_cfg=cfg.model.train_cfg)
    reference = build(plain)
    model.load_state_dict(reference.state_dict(), strict=True)
    images = torch.randn(2, 3, image_size(cfg), image_size(cfg))
    with torch.no_grad():
        assert torch.equal(model(images, mode='tensor'),
                           reference(images, mode='tensor'))


def test_a_config_of_ones_own(small, tmp_path):
    out = tmp_path / 'new.py'
    add(str(small), out)
    text = out.read_text()
    assert "_base_ = ['small.py']" in text
    cfg = Config.fromfile(out)
    assert cfg.model.mix_at == 'layer4.0'
    assert cfg.model.head.cal_acc is False
    assert cfg.model.head.loss.use_soft is True
    assert cfg.custom_imports.imports == ['alignmix_mm']
    assert 'exists' in add(str(small), out, code=2)
    add(str(small), out, '--force')
    assert out.read_text() == text
    add(str(small), out, '--force', '--mix-at', 'layer3.1')
    assert Config.fromfile(out).model.mix_at == 'layer3.1'
    add(str(small), out, '--force', '--mix-at', 'layer4.1')
    assert 'alignment changes nothing' in ' '.join(
        out.read_text().replace('#', '').split())


def test_the_papers_f(small, tmp_path):
    out = tmp_path / 'new.py'
    add(str(small), out, '--embed', '16')
    cfg = Config.fromfile(out)
    assert cfg.model.neck == dict(
        type='AlignMixNeck', align_size=4, embed=dict(
            type='LinearEmbedding', in_channels=64 * 16, out_channels=16))
    assert cfg.model.head.in_channels == 16 and 'mix_at' not in cfg.model


@pytest.mark.parametrize('change, options, message', [
    ('', ['--mix-at', 'layer9'], "'layer9' is not a module of.*'layer4'"),
    (TRANSFORMER.format('RevVisionTransformer', 16), [],
     r'embedding near the end .*, but found\s+layers.1: .*returned tuple'),
    (TRANSFORMER.format('RevVisionTransformer', 16), ['--mix-at', 'layers.1'],
     '--mix-at layers.1: .*returned tuple'),
    ("model['type'] = 'AlignMixClassifier'", [], 'without AlignMix'),
    ("model = dict(type='MoCo')", [], "classifier, model.type='ImageCl"),
    (TRANSFORMER.format('VisionTransformer', 8), ['--embed', '8'],
     'needs a backbone that returns a map'),
])
def test_what_cannot_be_done_is_said(change, options, message, small,
                                     tmp_path):
    small.write_text(SMALL + change)
    output = add(str(small), tmp_path / 'new.py', *options, code=1)
    assert re.search(message, output.replace('\n', ' ')), output
    assert not (tmp_path / 'new.py').exists()


def test_class_tokens_are_counted(small, tmp_path):
    """Where the backbone does not say how many there are."""
    small.write_text(SMALL + MLP_MIXER)
    add(str(small), tmp_path / 'new.py')
    cfg = Config.fromfile(tmp_path / 'new.py')
    assert cfg.model.num_extra_tokens == 0
    assert cfg.model.mix_at in ('layers.0', 'layers.1')


@pytest.mark.parametrize('shape, count', [
    ((49, 8), 0), ((197, 8), 1), ((198, 8), 2), ((99, 8), None),
    ((8, 7, 7), None)])
def test_class_tokens_are_what_is_left_of_a_square(shape, count):
    assert _extra_tokens(shape) == count


def test_missing_configs_are_named(tmp_path):
    assert 'no config nowhere.py' in add('nowhere.py', tmp_path / 'x.py',
                                         code=2)


def test_nothing_is_left_that_does_not_train(small, tmp_path):
    small.write_text(SMALL + "model['head']['loss'] = dict(\n"
                     "    type='CrossEntropyLoss', use_sigmoid=True,\n"
                     "    class_weight=[float('nan')] * 5)")
    output = add(str(small), tmp_path / 'new.py', code=1)
    assert 'finite' in output
    assert not (tmp_path / 'new.py').exists()


def test_what_is_known_of_a_classifier(small):
    """In front of the pooling, nothing combines positions any more."""
    seen = probe(load(str(small)))
    combining = {place.name: place.combining
                 for place in seen.places.candidates}
    assert combining['layer4'] == combining[None] == 0
    assert combining['layer3.1'] > combining['layer4.0'] > 0
    assert seen.place(None) == seen.place('auto') == seen.place('layer4.0')
    assert (seen.size, seen.channels) == (32, 3)
    assert seen.places.output == (64, 4, 4) and seen.places.num_classes == 5
    assert seen.neck == 'GlobalAveragePooling'
