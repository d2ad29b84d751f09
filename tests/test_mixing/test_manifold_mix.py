"""ManifoldMix: places, one weight for a batch, labels."""
import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from mmpretrain.registry import MODELS
from scipy.stats import kstest

from alignmix_mm.mixing import ManifoldMix, MixBatch
from alignmix_mm.mixing.draws import STEP_KEY

DRAWS = 1500


@pytest.fixture(autouse=True)
def first_step():
    MessageHub.get_current_instance().runtime_info.pop(STEP_KEY, None)


def plans(method, count, size=4):
    return [method.draw(torch.empty(size, 3, 2, 2)) for _ in range(count)]


@pytest.mark.parametrize('at', [
    ('input', 'layer1', 'layer2'), ('input', None), ('layer1', 'layer2'),
    ('layer3', ), (None, 'layer1', 'layer2', 'layer3', 'input')])
def test_places_are_equally_likely(at):
    found = plans(ManifoldMix(at=at), DRAWS)
    for place in at:
        name = 'neck' if place is None else place
        mine = [plan for plan in found if plan.tag == name]
        p = 1 / len(at)
        assert abs(len(mine) / DRAWS - p) <= 4 * np.sqrt(p * (1 - p) / DRAWS)
        for plan in mine:  # and what a place stands for
            assert plan.embedding is None and plan.classifies
            assert (plan.pixels is not None) == (place == 'input')
            assert (plan.features is not None) == (place != 'input')
            assert place == 'input' or plan.at == (place, )
    assert len({plan.tag for plan in found}) == len(at)


@pytest.mark.parametrize('alpha', [.2, 1., 2.])
def test_one_lambda_for_a_batch_from_its_beta(alpha):
    found = plans(ManifoldMix(alpha), 1000)
    lams = torch.stack([plan.labels.lam for plan in found])
    assert lams.shape == (1000, ) and lams.dtype == torch.float32
    assert kstest(lams.numpy(), 'beta', (alpha, alpha)).pvalue > 1e-3


def test_the_place_tells_nothing_of_the_weight():
    found = plans(ManifoldMix(), DRAWS)
    lams = np.array([float(plan.labels.lam) for plan in found])
    tags = np.array([plan.tag for plan in found])
    for tag in set(tags):
        assert kstest(lams[tags == tag], 'beta', (2, 2)).pvalue > 1e-3


@pytest.mark.parametrize('at', ['input', 'layer1', None])
def test_labels_and_parts_are_mixed_alike_without_alignment(at):
    x, y = torch.randn(5, 3, 4, 4), torch.eye(5)
    batch, labels = ManifoldMix(at=at)(x, y.long())
    assert isinstance(batch, MixBatch)
    pairs = batch.plan.labels
    lam, perm = pairs.lam, pairs.perm
    torch.testing.assert_close(labels, lam * y + (1 - lam) * y[perm])
    expected = lam * x + (1 - lam) * x[perm]
    if at == 'input':
        torch.testing.assert_close(batch.images, expected)
    else:
        assert torch.equal(batch.images, x)
        assert not batch.plan.features.aligns
        torch.testing.assert_close(batch.plan.features.mix_map(x), expected)


def test_ranks_share_the_place_and_nothing_else(monkeypatch):
    def on_rank(rank):
        monkeypatch.setattr('alignmix_mm.mixing.draws.get_rank',
                            lambda: rank)
        MessageHub.get_current_instance().runtime_info.pop(STEP_KEY, None)
        return plans(ManifoldMix(), 40, 16)

    for one, two in zip(on_rank(0), on_rank(1)):
        assert one.tag == two.tag
        assert one.labels.lam != two.labels.lam
        assert not torch.equal(one.labels.perm, two.labels.perm)


def test_another_seed_has_other_places():
    one, two = ([plan.tag for plan in plans(ManifoldMix(seed=seed), 40)]
                for seed in (0, 1))
    assert one != two


def model(**options):
    return MODELS.build(dict(
        type='AlignMixClassifier',
        backbone=dict(type='PreActResNet_CIFAR', base_channels=1),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=4, in_channels=8),
        train_cfg=dict(augments=[dict(type='ManifoldMix', **options)])))


@pytest.mark.parametrize('at', ['layer7', ['input', 'layer7'],
                                [None, 'layer1', 'layer7']])
def test_places_are_looked_for_when_the_model_is_built(at):
    with pytest.raises(ValueError, match="'layer7'.*'layer1'"):
        model(at=at)


def test_places_that_are_there_are_found():
    for at in 'input', 'layer1.0', [None, 'layer2.0.norms.0'], ():
        if at == ():
            with pytest.raises(ValueError, match='`at` to name places'):
                model(at=at)
        else:
            model(at=at)


@pytest.mark.parametrize('alpha', [0, -1, float('inf'), '2'])
def test_bad_alphas_are_named(alpha):
    with pytest.raises(ValueError, match='`alpha` to be > 0'):
        ManifoldMix(alpha)


def test_bad_seeds_are_named():
    with pytest.raises(ValueError, match='`seed` to be an integer >= 0'):
        ManifoldMix(seed=-1)
