"""If f is linear, mixing A without alignment is mixing e (design 1.5)."""
import pytest
import torch
from mmpretrain.registry import MODELS

from alignmix_mm.mixing import (
    AlignedPairs,
    MixBatch,
    MixPlan,
    Pairs,
    WeightedSum,
    alignmix_plan,
)

LAM = torch.tensor([0., .2, .5, .7, 1.])
PERM = torch.tensor([3, 0, 4, 1, 2])
LINEAR = dict(type='LinearEmbedding', in_channels=8 * 16, out_channels=6,
              init_cfg=[dict(type='Normal', layer='Linear', std=.3,
                             bias=.5)])
POOL = dict(type='GlobalAveragePooling')
CONV = dict(type='ConvEmbedding', in_channels=8, out_channels=6)


def build(embed, align=False, neck=True, **transport):
    options = (dict(neck=dict(type='AlignMixNeck', embed=embed, align=align,
                              **transport)) if neck else
               dict(neck=embed, mixer=dict(align=align, **transport)))
    model = MODELS.build(dict(
        type='AlignMixClassifier',
        backbone=dict(type='PreActResNet_CIFAR', base_channels=1),
        head=dict(type='LinearClsHead', num_classes=4, in_channels=6),
        train_cfg=dict(augments=[dict(type='AlignMix')]), **options))
    model.init_weights()
    if embed['type'] == 'LinearEmbedding':  # a bias that would be mixed too
        torch.nn.init.normal_(model.neck.embed.fc.bias)
    return model.eval()


def embedding(model, x, plan):
    return model.extract_feat(MixBatch(x, plan))[-1]


def plans(mixture):
    """The same weights for maps and for embeddings."""
    return (MixPlan('maps', features=mixture),
            MixPlan('embeddings', embedding=mixture))


MIXTURES = [
    Pairs(LAM, PERM), Pairs(LAM, PERM, swap=True), Pairs(LAM[1], PERM),
    WeightedSum(torch.tensor([[0, 3, 1], [4, 4, 2], [1, 2, 3]]),
                torch.tensor([[.2, .3, .5], [.1, .6, .3], [1., 0., 0.]]))]


@pytest.mark.parametrize('mixture', MIXTURES, ids=[
    'pairs', 'swapped', 'one lambda', 'three images'])
@pytest.mark.parametrize('embed', [LINEAR, POOL, CONV],
                         ids=lambda embed: embed['type'])
def test_maps_without_alignment_are_embeddings(embed, mixture):
    model, x = build(embed), torch.randn(5, 3, 32, 32)
    maps, embeddings = (embedding(model, x, plan) for plan in plans(mixture))
    torch.testing.assert_close(maps, embeddings)
    plain, = model.extract_feat(x)
    torch.testing.assert_close(embeddings, mixture(plain))
    assert (embeddings - plain[:1]).abs().max() > 1e-3


@pytest.mark.parametrize('neck', [True, False], ids=['AlignMixNeck', 'neck'])
@pytest.mark.parametrize('mode', ['feat', 'feat_swap'])
def test_the_methods_options_say_so_too(mode, neck):
    """Modes of AlignMix in a model with `align=False`."""
    model, x = build(POOL, neck=neck), torch.randn(5, 3, 32, 32)
    mixed = embedding(model, x, alignmix_plan(mode, LAM, PERM))
    plain, = model.extract_feat(x)
    swap = mode == 'feat_swap'
    torch.testing.assert_close(mixed, Pairs(LAM, PERM, swap)(plain))


@pytest.mark.parametrize('swap', [False, True])
@pytest.mark.parametrize('eps', [.01, .1, 10.])
def test_aligned_maps_too_if_they_are_pooled(swap, eps):
    """Columns of a plan sum to 1, to 1e-5 of what is summed."""
    model = build(POOL, align=True, eps=eps)
    x = torch.randn(5, 3, 32, 32)
    aligned = AlignedPairs(LAM, PERM, swap)
    maps = embedding(model, x, MixPlan('maps', features=aligned))
    plain, = model.extract_feat(x)
    size = model.backbone(x)[-1].abs().mean((2, 3)).max()
    assert (maps - Pairs(LAM, PERM, swap)(plain)).abs().max() < 1e-4 * size


@pytest.mark.parametrize('swap', [False, True])
def test_but_not_if_positions_matter(swap):
    model, x = build(LINEAR, align=True), torch.randn(5, 3, 32, 32)
    aligned = AlignedPairs(LAM, PERM, swap)
    maps = embedding(model, x, MixPlan('maps', features=aligned))
    plain, = model.extract_feat(x)
    expected = Pairs(LAM, PERM, swap)(plain)
    inner = (LAM > 0) & (LAM < 1)
    assert (maps - expected)[inner].norm() > .05 * expected[inner].norm()
    torch.testing.assert_close(maps[-1], expected[-1])  # all of the anchor


def test_labels_and_losses_are_the_same_then():
    """So Table 8's rows without alignment differ in nothing else."""
    model, x = build(LINEAR), torch.randn(5, 3, 32, 32)
    labels = torch.eye(4)[[0, 1, 2, 3, 0]]
    losses = []
    for mode in 'feat', 'embed':
        plan = alignmix_plan(mode, LAM, PERM)
        logits = model.head.fc(embedding(model, x, plan))
        losses.append(-(plan.mix_labels(labels) * logits.log_softmax(1)).sum())
    torch.testing.assert_close(*losses)
