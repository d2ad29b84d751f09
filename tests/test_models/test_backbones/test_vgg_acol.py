"""The VGG of ACoL, its poolings by loops, and the published network."""
import pytest
import torch
from erasing_loops import pooled_by_loops
from mmpretrain.models.backbones import VGG
from mmpretrain.registry import MODELS

from alignmix_mm import VGGACoL


def by_loops(net, x, strides):
    """Convolutions of torch, poolings a window at a time."""
    layers = list(net.features)
    strides = iter(strides)
    for layer in layers:
        if hasattr(layer, 'conv'):
            x = torch.conv2d(x, layer.conv.weight, layer.conv.bias,
                             padding=1).relu()
        else:
            x = pooled_by_loops(x, 3, next(strides),
                                lambda w: w.amax(2), -torch.inf)
    # padding counts: divided by nine at the border too
    return pooled_by_loops(x, 3, 1, lambda w: w.sum(2) / 9, 0.)


@pytest.mark.parametrize('large_map, strides, size', [
    (False, (2, 2, 2, 2, 1), (3, 4)), (True, (2, 2, 2, 1, 1), (5, 7))])
def test_it_is_that_of_the_loops(large_map, strides, size):
    torch.manual_seed(0)
    net = VGGACoL(large_map)
    net.init_weights()
    net.eval()
    images = torch.randn(2, 3, 34, 50)
    with torch.no_grad():
        out, = net(images)
        assert out.shape == (2, 512, *size)
        torch.testing.assert_close(out, by_loops(net, images, strides))


@pytest.mark.parametrize('large_map, side', [(False, 14), (True, 28)])
def test_the_published_network(large_map, side):
    with torch.device('meta'):
        model = MODELS.build(dict(
            type='CAMClassifier', cam='gt',
            backbone=dict(type='VGGACoL', large_map=large_map),
            head=dict(type='ACoLHead', num_classes=200, in_channels=512)))
        maps, = model.backbone(torch.empty(1, 3, 224, 224))
        assert maps.shape == (1, 512, side, side)
        assert model.head((maps, )).shape == (1, 200)
    assert sum(p.numel() for p in model.parameters()) == 43_440_336


def test_weights_of_a_vgg_are_loaded():
    source = VGG(11)
    net = VGGACoL(depth=11)
    keys = net.load_state_dict(source.state_dict())
    assert not keys.missing_keys and not keys.unexpected_keys
    # torchvision's names: of the layers that have weights, by their order
    numbers = (0, 3, 6, 8, 11, 13, 16, 18)
    layers = [layer for layer in source.features if hasattr(layer, 'conv')]
    state = {f'features.{n}.{kind}': torch.randn_like(
        getattr(layer.conv, kind)) for n, layer in zip(numbers, layers)
        for kind in ('weight', 'bias')}
    net.load_state_dict({**state, 'classifier.0.bias': torch.ones(1)})
    assert torch.equal(net.features[0].conv.weight,
                       state['features.0.weight'])
    with pytest.raises(ValueError, match='weights of 8 layers'):
        VGGACoL(depth=11).load_state_dict(
            {f'features.{n}.bias': torch.ones(64) for n in range(10)})
