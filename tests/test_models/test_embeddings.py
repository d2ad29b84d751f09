"""Vectors e and tensors E, and where they are mixed."""
import pytest
import torch
from mmpretrain.registry import MODELS

from alignmix_mm import AlignMixNeck, ConvEmbedding, LinearEmbedding
from alignmix_mm.mixing import MODES, alignmix_plan
from alignmix_mm.models.embeddings import Embedding

PERM = torch.tensor([2, 0, 3, 1])  # not its own inverse
LAM = torch.tensor([.1, .35, .6, .8])


def conv_embedding(**options):
    embed = MODELS.build({**dict(
        type='ConvEmbedding', in_channels=6, out_channels=5), **options})
    embed.init_weights()
    return embed


def neck_of(embed, **options):
    return AlignMixNeck(embed, **options)


def test_the_tensor_of_the_paper_has_its_size():
    embed = MODELS.build(dict(
        type='ConvEmbedding', in_channels=512, out_channels=128))
    assert sum(p.numel() for p in embed.parameters()) == 262272
    tensor, = embed.encode((torch.randn(2, 512, 4, 4), ))
    assert tensor.shape == (2, 128, 2, 2)
    vector, = embed((torch.randn(2, 512, 4, 4), ))
    assert vector.shape == (2, 512)


@pytest.mark.parametrize('rows, cols', [(1, 1), (2, 3), (4, 4)])
def test_the_vector_is_linear_in_the_map_whatever_its_size(rows, cols):
    """Divided by the root of the number of positions: no larger for many."""
    embed = LinearEmbedding(5 * rows * cols, 7)
    x = torch.randn(3, 5, rows, cols)
    weight, bias = embed.fc.weight.double(), embed.fc.bias.double()
    expected = (x.double().flatten(1) @ weight.T) / (rows * cols)**.5 + bias
    # float32 sums of at most 80 products
    torch.testing.assert_close(embed(x)[0].double(), expected, rtol=1e-5,
                               atol=1e-6)


@pytest.mark.parametrize('size', [1, 2, 3])
def test_every_window_is_projected_by_itself(size):
    embed = conv_embedding(kernel_size=size)
    x = torch.randn(2, 6, 2 * size, 3 * size)
    tensor, = embed.encode(x)
    assert tensor.shape == (2, 5, 2, 3)
    weight = embed.conv.weight.flatten(1)
    window = x[1, :, size:, :size].flatten()  # second row, first column
    # divided by the root of the number of positions of a window
    expected = weight @ window / size + embed.conv.bias
    # float32 sums of at most 54 products
    torch.testing.assert_close(tensor[1, :, 1, 0], expected, rtol=1e-5,
                               atol=1e-6)
    assert torch.equal(embed(x)[0], tensor.flatten(1))
    assert torch.equal(embed((x[:, :1], x))[0], tensor.flatten(1))


def test_initial_weights_are_small():
    embed = MODELS.build(dict(
        type='ConvEmbedding', in_channels=128, out_channels=32))
    embed.init_weights()
    # standard error of the deviation of 16,384 weights: 0.6 %
    std = float(embed.conv.weight.detach().std())
    assert std == pytest.approx(.01, rel=.03)
    assert not embed.conv.bias.any()


@pytest.mark.parametrize('shape', [(2, 5, 4, 4), (2, 6, 5, 4), (2, 6, 4, 5),
                                   (2, 6)])
def test_a_map_that_does_not_fit_is_named(shape):
    with pytest.raises(ValueError, match=r'\(N, 6, H, W\).*kernel_size=2'):
        conv_embedding()((torch.zeros(shape), ))


@pytest.mark.parametrize('side', [4, 8])
def test_a_tensor_is_aligned_before_it_is_mixed(side):
    """E of the partner is E of the anchor with its positions exchanged."""
    torch.manual_seed(0)
    embed = conv_embedding()
    windows = torch.randn(6, side // 2, 2, side // 2, 2)
    rows = [torch.roll(windows, (n, n), (1, 3)) for n in range(4)]
    maps = torch.stack([r.reshape(6, side, side) for r in rows])
    plan = alignmix_plan('embed', LAM, PERM)
    aligned = neck_of(embed, eps=1e-5)((maps, ), plan)[0]
    # whatever lambda is, every anchor stays what it is
    torch.testing.assert_close(aligned, embed(maps)[0], rtol=1e-5, atol=1e-6)
    plain = neck_of(embed, align=False)((maps, ), plan)[0]
    torch.testing.assert_close(plain, plan.labels(embed(maps)[0]), rtol=1e-5,
                               atol=1e-6)
    assert (plain - aligned).abs().max() > .01


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('embed', [
    LinearEmbedding(6 * 16, 5), conv_embedding()], ids=['vector', 'tensor'])
def test_only_its_mode_mixes_it(embed, mode):
    maps = torch.randn(4, 6, 4, 4)
    plan = alignmix_plan(mode, LAM, PERM)
    neck = neck_of(embed)
    out, = neck((maps, ), plan)
    if mode in ('input', 'clean'):
        assert torch.equal(out, embed(maps)[0])
    elif mode == 'embed':
        assert not torch.allclose(out, embed(maps)[0])
    else:
        mixed = neck.mixer.complete(plan).features.mix_map(maps)
        assert torch.equal(out, embed(mixed)[0])


def test_vectors_are_not_aligned():
    embed, plan = LinearEmbedding(6 * 16, 5), alignmix_plan('embed', LAM, PERM)
    maps = torch.randn(4, 6, 4, 4)
    for align in (True, False):
        out, = neck_of(embed, align=align)((maps, ), plan)
        assert torch.equal(out, plan.labels(embed(maps)[0]))


def test_an_encoder_is_a_neck_of_its_own():
    """Without AlignMixNeck, by the classifier's options."""
    torch.manual_seed(0)
    model = MODELS.build(dict(
        type='AlignMixClassifier', mixer=dict(eps=.05),
        backbone=dict(type='ResNet_CIFAR', depth=18, stem_channels=8,
                      base_channels=8),
        neck=dict(type='ConvEmbedding', in_channels=64, out_channels=4),
        head=dict(type='LinearClsHead', num_classes=3, in_channels=16)))
    maps, plan = torch.randn(4, 64, 4, 4), alignmix_plan('embed', LAM, PERM)
    out, = model._embed((maps, ), plan)
    expected, = neck_of(model.neck, eps=.05)((maps, ), plan)
    assert torch.equal(out, expected)


def test_the_base_has_no_encoder():
    with pytest.raises(NotImplementedError):
        Embedding()(torch.zeros(1, 1, 1, 1))


def test_gradients_reach_both_of_a_pair():
    embed = ConvEmbedding(6, 5)
    maps = torch.randn(2, 6, 4, 4, requires_grad=True)
    plan = alignmix_plan('embed', torch.tensor([.7, .7]), torch.tensor([1, 0]))
    out, = neck_of(embed)((maps, ), plan)
    out[0].sum().backward()
    assert all(maps.grad[n].abs().sum() > 0 for n in range(2))
