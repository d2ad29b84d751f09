"""VGG-GAP: its size, its layers, and weights from elsewhere."""
import copy
import pickle

import pytest
import torch
import torchvision
from mmengine.registry import init_default_scope
from mmpretrain.models.backbones import VGG
from mmpretrain.registry import MODELS

from alignmix_mm import VGGGAP


def state_of(build):
    """Weights of a network; small ones for its classifier, which is huge."""
    with torch.device('meta'):
        state = build().state_dict()
    return {key: torch.zeros(1) if key.startswith('classifier') else
            .05 * torch.randn(value.shape) for key, value in state.items()}


def vgg11():
    return torchvision.models.vgg11(weights=None)


def num_parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_vgg16_has_maps_of_14_and_its_parameters():
    net = VGGGAP()
    net.eval()  # returns None, as that of MMPretrain's backbones
    with torch.no_grad():
        out, = net(torch.randn(1, 3, 224, 224))
    assert out.shape == (1, 1024, 14, 14)
    assert out.min() == 0  # after a ReLU
    assert num_parameters(net) + 1025 * 200 == 19639304
    groups = VGGGAP(groups=2, dropout=.5)
    assert num_parameters(net) - num_parameters(groups) == 4719616 - 2360320


def test_it_is_the_plain_network_and_one_convolution():
    state = state_of(vgg11)
    with torch.device('meta'):
        features = vgg11().features.to_empty(device='cpu')
    features.load_state_dict({
        key.removeprefix('features.'): value for key, value in state.items()
        if key.startswith('features.')})
    net = VGGGAP(depth=11, out_channels=7)
    net.eval()
    net.load_state_dict(state, strict=False)
    images = torch.randn(2, 3, 64, 48)
    before = features[:-1](images)
    assert before.shape[2:] == (4, 3)
    weight, bias = net.conv6.conv.weight, net.conv6.conv.bias
    expected = torch.conv2d(before, weight, bias, padding=1).relu()
    torch.testing.assert_close(net(images)[0], expected)


@pytest.mark.parametrize('source', ['torchvision', 'mmpretrain', 'itself'])
@pytest.mark.parametrize('prefix', ['', 'backbone.'])
def test_weights_are_loaded(source, prefix):
    old = state_of(dict(torchvision=vgg11, mmpretrain=lambda: VGG(
        11, num_classes=5), itself=lambda: VGGGAP(11))[source])
    state = {prefix + key: value for key, value in old.items()}
    before = dict(state)
    net = VGGGAP(11)
    model = torch.nn.ModuleDict(dict(backbone=net)) if prefix else net
    conv6 = net.conv6.conv.weight.clone()
    keys = model.load_state_dict(state, strict=False)
    assert not keys.unexpected_keys  # classifiers are left out
    missing = [] if source == 'itself' else [
        f'{prefix}conv6.conv.weight', f'{prefix}conv6.conv.bias']
    assert keys.missing_keys == missing
    assert (source == 'itself') != torch.equal(net.conv6.conv.weight, conv6)
    weights = [value for key, value in old.items() if 'features' in key]
    assert len(weights) == 16
    assert all(map(torch.equal, net.features.parameters(), weights))
    assert state == before  # the caller's dict is left alone


def test_pretrained_keeps_the_new_layers_initialization(tmp_path):
    init_default_scope('mmpretrain')
    path = tmp_path / 'vgg11.pth'
    old = state_of(vgg11)
    torch.save(old, path)
    net = MODELS.build(dict(type='VGGGAP', depth=11, init_cfg=dict(
        type='Pretrained', checkpoint=str(path))))
    net.init_weights()
    assert torch.equal(net.features[0].conv.weight, old['features.0.weight'])
    # He, fan out; a standard error of 1.4e-3 relative
    std = float(net.conv6.conv.weight.detach().std())
    assert std == pytest.approx((2 / (1024 * 9))**.5, rel=.01)
    assert not net.conv6.conv.bias.any()


@pytest.mark.parametrize('other', ['vgg13', 'vgg11_bn'])
def test_another_vgg_is_refused(other):
    state = state_of(getattr(torchvision.models, other))
    with pytest.raises(ValueError, match='weights of 8 layers'):
        VGGGAP(11).load_state_dict(state, strict=False)


def test_dropout_is_that_behind_the_pooling():
    net = VGGGAP(11, out_channels=64, dropout=.5)
    pooled = net(torch.randn(2, 3, 64, 64))[0].mean((2, 3))
    dropped = (pooled == 0).float().mean()
    assert .3 < dropped < .75  # whole channels
    net.eval()
    assert (net(torch.randn(2, 3, 64, 64))[0].mean((2, 3)) > 0).float(
        ).mean() > .9


def test_copies_load_into_themselves():
    net = VGGGAP(11)
    before = net.features[0].conv.weight.clone()
    state = state_of(vgg11)
    for other in copy.deepcopy(net), pickle.loads(pickle.dumps(net)):
        other.load_state_dict(state, strict=False)
        assert torch.equal(other.features[0].conv.weight,
                           state['features.0.weight'])
    assert torch.equal(net.features[0].conv.weight, before)
