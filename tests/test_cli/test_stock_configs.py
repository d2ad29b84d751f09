"""AlignMix added by two lines to configs that MMPretrain ships."""
import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

# config: image size; and where to mix, for those without a map before the neck
STOCK = {
    'mmpretrain::resnet/resnet18_8xb16_cifar10.py': 32,
    'mmpretrain::resnet/resnet50_8xb32_in1k.py': 96,
    'mmpretrain::mobilenet_v2/mobilenet-v2_8xb32_in1k.py': 96,
}
DEEP = {
    'mmpretrain::deit/deit-tiny_4xb256_in1k.py': 'layers.10',
    'mmpretrain::deit/deit-tiny-distilled_4xb256_in1k.py': 'layers.10',
    'mmpretrain::swin_transformer/swin-tiny_16xb64_in1k.py': 'stages.2',
    'mmpretrain::swin_transformer_v2/swinv2-tiny-w8_16xb64_in1k-256px.py':
    'stages.2',
    'mmpretrain::convnext/convnext-tiny_32xb128_in1k.py': 'stages.2',
    'mmpretrain::vgg/vgg16_8xb32_in1k.py': 'features.15',
}
LARGE = ('swin', 'convnext', 'vgg')  # half a minute each


@pytest.fixture(params=STOCK)
def stock(request):
    cfg = get_config(request.param)
    init_default_scope(cfg.default_scope)
    return copy.deepcopy(cfg), STOCK[request.param]


def build(cfg):
    model = Config(dict(cfg.model))._cfg_dict
    model.data_preprocessor = cfg.data_preprocessor
    return MODELS.build(model)


def step(model, size):
    data = dict(
        inputs=torch.randint(0, 255, (2, 3, size, size), dtype=torch.uint8),
        data_samples=[DataSample().set_gt_label(n) for n in range(2)])
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    model.train()
    return model.train_step(data, OptimWrapper(optimizer))['loss']


@pytest.mark.parametrize('mode', ['input', 'feat_swap'])
def test_two_lines_train_a_step(stock, mode):
    cfg, size = stock
    cfg.model.type = 'alignmix_mm.AlignMixClassifier'
    cfg.model.train_cfg = dict(
        augments=[dict(type='alignmix_mm.AlignMix', modes=mode)])
    assert torch.isfinite(step(build(cfg), size))


def test_without_the_first_line_it_says_so_at_the_first_step(stock):
    cfg, size = stock
    cfg.model.train_cfg = dict(augments=[dict(type='alignmix_mm.AlignMix')])
    with pytest.raises(TypeError, match="'AlignMixClassifier'"):
        step(build(cfg), size)


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=pytest.mark.slow if any(
        word in name for word in LARGE) else ()) for name in DEEP])
def test_three_lines_mix_inside_networks_without_a_last_map(name):
    """Tokens and pooled outputs; their heads stay as they are."""
    cfg = get_config(name)
    init_default_scope(cfg.default_scope)
    cfg = copy.deepcopy(cfg)
    cfg.model.type = 'alignmix_mm.AlignMixClassifier'
    cfg.model.mix_at = DEEP[name]
    cfg.model.train_cfg = dict(
        augments=[dict(type='alignmix_mm.AlignMix', modes='feat')])
    model = build(cfg)
    mixed = []
    for place in model.places._places.values():
        place._module.register_forward_hook(
            lambda module, args, output: mixed.append(output))
    size = 256 if '256px' in name else 224
    assert torch.isfinite(step(model, size))
    plain = model.data_preprocessor.batch_augments.augments[0]
    plain.modes, plain.probs = ('embed', ), [1.]
    assert torch.isfinite(step(model, size))
    assert len(mixed) == 6  # four times for the report, and once a step
