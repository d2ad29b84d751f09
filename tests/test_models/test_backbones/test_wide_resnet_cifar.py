import pytest
import torch
import torch.nn.functional as F
from mmpretrain.registry import MODELS

from alignmix_mm import AlignMixClassifier


def build(**options):
    return MODELS.build(dict(type='WideResNet_CIFAR', **options))


def num_parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_published_parameter_counts():
    model = build()
    counts = [num_parameters(getattr(model, f'layer{n}')) for n in (1, 2, 3)]
    assert counts == [464288, 2100224, 8394752]
    assert num_parameters(model) == 10960736
    # WRN28-10 of its authors, without biases and with 100 classes: 36.5M
    big = build(depth=28, widen_factor=10, conv_bias=False)
    assert num_parameters(big) + 641 * 100 == pytest.approx(36.5e6, rel=2e-3)


@pytest.mark.parametrize('options, size, expected', [
    (dict(), 32, [(128, 8, 8)]),
    (dict(out_indices=(0, 1, 2)), 32,
     [(32, 32, 32), (64, 16, 16), (128, 8, 8)]),
    (dict(depth=22), 64, [(128, 16, 16)])])
def test_shapes(options, size, expected):
    outs = build(widen_factor=2, **options)(torch.randn(2, 3, size, size))
    assert [tuple(out.shape[1:]) for out in outs] == expected
    assert outs[-1].min() == 0  # after the last ReLU


def test_layers_by_hand():
    """Pre-activation; the raw input in the shortcut; stride in conv2."""
    model = build(widen_factor=1).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -.3, .3)
    state = model.state_dict()

    def conv(x, name, stride=1):
        weight = state[f'{name}.weight']
        return F.conv2d(x, weight, state[f'{name}.bias'], stride,
                        weight.shape[-1] // 2)

    def norm(x, name):
        keys = ('running_mean', 'running_var', 'weight', 'bias')
        return F.batch_norm(x, *(state[f'{name}.{key}'] for key in keys))

    images = torch.randn(2, 3, 12, 20)
    x = conv(images, 'stem')
    for stage, n, stride in ((1, 0, 1), (1, 1, 1), (2, 0, 2), (2, 1, 1),
                             (3, 0, 2), (3, 1, 1)):
        block = f'layer{stage}.{n}'
        y = conv(norm(x, f'{block}.norm1').relu(), f'{block}.conv1')
        y = conv(norm(y, f'{block}.norm2').relu(), f'{block}.conv2', stride)
        projected = stage > 1 and n == 0  # 16 channels stay 16 in stage 1
        x = y + (conv(x, f'{block}.shortcut', stride) if projected else x)
    expected = norm(x, 'norm').relu()
    # float32 in the same order; only fused operations may round otherwise
    torch.testing.assert_close(model(images)[0], expected)


def test_options():
    model = build(widen_factor=1, final_bn_momentum=.9, dropout=.3,
                  conv_bias=False)
    assert model.norm.momentum == .9
    assert model.layer1[0].norm1.momentum == .1
    assert model.layer1[0].dropout.p == .3
    assert not [name for name, _ in model.named_parameters()
                if name.endswith(('conv1.bias', 'conv2.bias', 'stem.bias'))]


@pytest.mark.parametrize('options, message', [
    (dict(depth=18), '6 n . 4'), (dict(depth=4), '6 n . 4'),
    (dict(out_indices=(3, )), '0, 1 and 2')])
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_maps_can_be_mixed_inside():
    model = AlignMixClassifier(
        backbone=dict(type='WideResNet_CIFAR', widen_factor=1),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=3, in_channels=64),
        mix_at=['layer2', 'layer3.0'])
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 3)
