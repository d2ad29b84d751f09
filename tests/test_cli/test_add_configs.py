"""`alignmix add` on configs that it was not made for."""
import re

import pytest
from commands import alignmix
from mmengine.config import Config

# config of MMPretrain: size of the images, and the place or the sentence
STOCK = {
    'lenet/lenet5_mnist': (32, 'features.5'),  # one channel
    'shufflenet_v2/shufflenet-v2-1x_16xb64_in1k': (64, 'layers.2.2'),
    'arcface/resnet50-arcface_8xb32_inshop':
    (64, '!the config of a classifier.*ImageToImageRetriever'),
    # several labels an image; the head of the first sees positions
    'csra/resnet101-csra_1xb16_voc07-448px': (96, None),
    'vgg/vgg16_8xb16_voc': (224, 'features.17'),
    'efficientnet/efficientnet-b0_8xb32_in1k': (64, 'layers.5.3'),
    'densenet/densenet121_4xb256_in1k': (64, 'transitions.2'),
    'inception_v3/inception-v3_8xb32_in1k': (139, 'Mixed_7b'),
    'levit/levit-128s_8xb256_in1k':
    (224, "!doesn't support training in distillation mode"),
    'mobilevit/mobilevit-xxsmall_8xb128_in1k': (128, 'layers.4.0'),
    'regnet/regnetx-400mf_8xb128_in1k': (64, 'layer4.10'),
    'res2net/res2net50-w14-s8_8xb32_in1k': (64, 'layer4.1'),
    'repvgg/repvgg-A0_8xb32_in1k': (64, 'stage_3'),
    'mobileone/mobileone-s0_8xb32_in1k': (64, 'stage3'),
    'tinyvit/tinyvit-5m_8xb256_in1k': (224, 'stages.3.blocks.0'),
    'vig/vig-tiny_8xb128_in1k': (224, 'blocks.10'),
    'hrnet/hrnet-w18_4xb32_in1k': (64, '!Expected a block.*layer1: too early'),
    'conformer/conformer-tiny-p16_8xb128_in1k':
    (224, '!Expected a block.*too early'),
    'replknet/replknet-31B_32xb64_in1k': (64, '!configuration file type'),
    't2t_vit/t2t-vit-t-14_8xb64_in1k': (224, 'encoder.12'),
    'efficientformer/efficientformer-l1_8xb128_in1k':
    (224, "!doesn't support to train the distilled version"),
    'seresnet/seresnet50_8xb32_in1k': (64, 'layer4.1'),
    'resnet/resnet50_8xb256-rsb-a1-600e_in1k': (64, 'layer4.1'),
    'mocov3/benchmarks/resnet50_8xb128-linear-coslr-90e_in1k':
    (64, 'layer4.1'),  # all of the backbone is frozen
}
QUICK = 3
TIMM = {  # name: size, width, whether it returns a map, place
    'efficientnet_lite0': (64, 1280, True, 'blocks.5'),
    'resnet18': (64, 512, True, 'layer4.0'),
    'convnext_atto': (64, 320, True, 'stages.3.blocks.0'),
    # TIMMBackbone returns tokens, or channels last, which no neck pools
    'vit_tiny_patch16_224': (224, 192, False, '!got .2, 197, 192.. Set'),
    'swin_tiny_patch4_window7_224':
    (224, 768, False, '!got .2, 7, 7, 768.. Set `neck` to one that pools'),
}


def check(base, expected):
    """What `add` says and writes of a config."""
    out = base.with_name('new.py')
    fails = str(expected).startswith('!')
    text = alignmix('add', base, '--out', out, code=int(fails))
    if fails:
        assert re.search(expected[1:], text.replace('\n', ' ')), text
        assert 'Traceback' not in text and not out.exists()
    else:
        assert 'one step of each mode was trained' in text
        assert Config.fromfile(out).model.get('mix_at') == expected


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=[pytest.mark.slow] if n >= QUICK else [])
    for n, name in enumerate(STOCK)])
def test_configs_of_mmpretrain(name, tmp_path):
    """Trained for one step of each mode, or told why not."""
    size, expected = STOCK[name]
    (tmp_path / 'base.py').write_text(
        f"_base_ = ['mmpretrain::{name}.py']\n"
        'train_dataloader = dict(dataset=dict(_delete_=True, '
        "type='CustomDataset', data_root='x',\n"
        f"    pipeline=[dict(type='RandomCrop', crop_size={size})]))")
    check(tmp_path / 'base.py', expected)


@pytest.mark.slow
@pytest.mark.parametrize('name', TIMM)
def test_networks_of_timm(name, tmp_path):
    pytest.importorskip('timm')
    size, width, is_map, place = TIMM[name]
    neck = "dict(type='GlobalAveragePooling')" if is_map else None
    (tmp_path / 'base.py').write_text(f'''
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='TIMMBackbone', model_name='{name}'),
    neck={neck},
    head=dict(type='LinearClsHead', num_classes=3, in_channels={width}))
train_dataloader = dict(dataset=dict(type='CustomDataset', data_root='x',
    pipeline=[dict(type='RandomCrop', crop_size={size})]))
''')
    fails = place.startswith('!')
    check(tmp_path / 'base.py', place if fails else f'timm_model.{place}')
