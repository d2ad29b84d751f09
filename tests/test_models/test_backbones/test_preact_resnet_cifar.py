import pytest
import torch
from mmpretrain.registry import MODELS

from alignmix_mm.models.backbones.preact_resnet_cifar import PreActBlock


def build(**options):
    return MODELS.build(dict(type='PreActResNet_CIFAR', **options))


def num_parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize('options, expected', [
    (dict(), 11166144),  # the authors' network without its classifier
    (dict(stem_norm=False), 11166016),  # manifold mixup, PuzzleMix
    (dict(last_stride=1), 11166144),
    (dict(final_norm=True), 11166144 + 2 * 512),
])
def test_published_parameter_counts(options, expected):
    assert num_parameters(build(**options)) == expected


def test_parameters_of_each_stage():
    model = build()
    counts = [num_parameters(getattr(model, f'layer{n}')) for n in range(1, 5)]
    assert counts == [147968, 525184, 2098944, 8392192]
    assert num_parameters(model.stem) == 1728 + 128


@pytest.mark.parametrize('options, size, expected', [
    (dict(), 32, (8, 4, 4)),
    (dict(last_stride=1), 32, (8, 8, 8)),
    (dict(stem_stride=2), 64, (8, 4, 4)),
    (dict(depth=34), 32, (8, 4, 4)),
    (dict(depth=50), 33, (32, 5, 5)),
])
def test_shapes(options, size, expected):
    out, = build(base_channels=1, **options)(torch.randn(2, 3, size, size))
    assert out.shape[1:] == expected


def test_out_indices():
    model = build(base_channels=2, out_indices=(0, 2, 3))
    shapes = [out.shape[1:] for out in model(torch.randn(1, 3, 32, 32))]
    assert shapes == [(2, 32, 32), (8, 8, 8), (16, 4, 4)]


@pytest.mark.parametrize('kind', ['activated', 'raw'])
def test_identity_shortcut(kind):
    block = PreActBlock(4, 4, identity_shortcut=kind).eval()
    for conv in block.convs:
        torch.nn.init.zeros_(conv.weight)
    x = torch.randn(2, 4, 5, 5)
    expected = x if kind == 'raw' else block.norms[0](x).relu()
    assert torch.equal(block(x), expected)


def test_the_map_is_not_normalised_unless_asked():
    x = torch.randn(4, 3, 32, 32)
    assert build(base_channels=4)(x)[0].min() < 0
    assert build(base_channels=4, final_norm=True)(x)[0].min() == 0


@pytest.mark.parametrize('options', [
    dict(depth=101), dict(identity_shortcut='none'), dict(out_indices=(4, ))])
def test_bad_options_are_named(options):
    name, = options
    with pytest.raises(ValueError, match=f'Expected `{name}`'):
        build(**options)
