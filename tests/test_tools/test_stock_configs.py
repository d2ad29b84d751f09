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

STOCK = {
    'mmpretrain::resnet/resnet18_8xb16_cifar10.py': 32,
    'mmpretrain::resnet/resnet50_8xb32_in1k.py': 224,
    'mmpretrain::mobilenet_v2/mobilenet-v2_8xb32_in1k.py': 224,
}


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
        inputs=torch.randint(0, 255, (4, 3, size, size), dtype=torch.uint8),
        data_samples=[DataSample().set_gt_label(n) for n in range(4)])
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
