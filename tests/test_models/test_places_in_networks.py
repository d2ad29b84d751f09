"""Mixing inside a backbone equals splitting the backbone by hand."""
import copy

import pytest
import torch
from place_models import (
    DEIT,
    LAM,
    PERM,
    R18,
    SWIN,
    VIT,
    batch,
    build,
    images,
    tensor,
)

from alignmix_mm.ops import align_and_mix


def mix_by_hand(x, mode, extra=0):
    """Tokens or a map, by the formulas of the paper."""
    a, b = (x, x[PERM]) if mode == 'feat' else (x[PERM], x)
    if x.ndim == 4:
        return align_and_mix(a, b, LAM)
    lam = LAM.view(-1, 1, 1)
    fixed = lam * a[:, :extra] + (1 - lam) * b[:, :extra]
    a, b = (t[:, extra:].transpose(1, 2)[..., None] for t in (a, b))
    moved = align_and_mix(a, b, LAM)[..., 0].transpose(1, 2)
    return torch.cat([fixed, moved], 1)


def resnet_by_hand(net, x, mode):
    """The output of the last but one block of the last stage is mixed."""
    x = net.maxpool(net.relu(net.norm1(net.conv1(x))))
    for name in net.res_layers[:-1]:
        x = getattr(net, name)(x)
    *blocks, last = getattr(net, net.res_layers[-1])
    for block in blocks:
        x = block(x)
    return last(mix_by_hand(x, mode))


def mobilenet_by_hand(net, x, mode):
    x = net.conv1(x)
    for name in net.layers:
        x = getattr(net, name)(x)
        if name == 'layer6':
            x = mix_by_hand(x, mode)
    return x


def vit_by_hand(net, x, mode):
    x, _ = net.patch_embed(x)
    tokens = [net.cls_token.expand(len(x), -1, -1)]
    if hasattr(net, 'dist_token'):
        tokens.append(net.dist_token.expand(len(x), -1, -1))
    x = torch.cat([*tokens, x], 1) + net.pos_embed
    for n, layer in enumerate(net.layers):
        x = layer(x)
        if n == 2:
            x = mix_by_hand(x, mode, extra=len(tokens))
    return net.ln1(x)[:, len(tokens) - 1]


def swin_by_hand(net, x, mode):
    x, size = net.patch_embed(x)
    for n, stage in enumerate(net.stages):
        x, size = stage(x, size, do_downsample=False)
        if n == 2:
            x = mix_by_hand(x, mode)
        if stage.downsample is not None:
            x, size = stage.downsample(x, size)
    x = net.norm3(x)
    return x.view(-1, *size, x.shape[-1]).permute(0, 3, 1, 2)


NETWORKS = {
    'resnet18': (R18, 'layer4.0', resnet_by_hand, 64),
    'resnet50': ({**R18, 'depth': 50, 'base_channels': 4}, 'layer4.1',
                 resnet_by_hand, 64),
    'mobilenet': (dict(type='MobileNetV2', widen_factor=0.25), 'layer6',
                  mobilenet_by_hand, 64),
    'vit': (VIT, 'layers.2', vit_by_hand, 32),
    'deit': (DEIT, 'layers.2', vit_by_hand, 32),
    'swin': (SWIN, 'stages.2', swin_by_hand, 64),
}


@pytest.mark.parametrize('mode', ['feat', 'feat_swap'])
@pytest.mark.parametrize('name', NETWORKS)
def test_equals_the_backbone_split_by_hand(name, mode):
    backbone, mix_at, by_hand, size = NETWORKS[name]
    model = build(backbone, mix_at)
    model.train()
    net = copy.deepcopy(model.backbone)
    net.train()
    x = images(size)
    result = tensor(model.extract_feat(batch(x, mode), 'backbone'))
    expected = by_hand(net, x, mode)
    # the same operations in another order of the samples
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(result, tensor(model.backbone(x)), atol=1e-3)
    weights = torch.randn_like(expected)
    (result * weights).sum().backward()
    (expected * weights).sum().backward()
    gradients = dict(net.named_parameters())
    for key, parameter in model.backbone.named_parameters():
        torch.testing.assert_close(
            parameter.grad, gradients[key].grad, rtol=1e-3, atol=1e-4,
            msg=key)


def test_bf16_autocast_is_close_to_float32():
    for backbone in R18, VIT:
        mix_at = 'layer3' if backbone is R18 else 'layers.2'
        model = build(backbone, mix_at).eval()
        x = images(64 if backbone is R18 else 32)
        expected = tensor(model.extract_feat(batch(x), 'backbone'))
        with torch.autocast('cpu', torch.bfloat16):
            result = tensor(model.extract_feat(batch(x), 'backbone'))
        # bfloat16 has 3 digits, and layers follow; plans are float32's
        error = (result.float() - expected).norm() / expected.norm()
        assert error < 0.05
