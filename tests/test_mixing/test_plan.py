import copy
import pickle
import re

import pytest
import torch
from torch import nn

from alignmix_mm.mixing import MixBatch, alignmix_plan

LAM = torch.tensor([0.2, 0.5, 0.9, 0.7])
PERM = torch.tensor([1, 2, 3, 0])  # not its own inverse


@pytest.mark.parametrize('mode', ['input', 'embed', 'feat', 'feat_swap'])
def test_the_anchor_has_the_weight_lambda(mode):
    x = torch.tensor([0., 1., 10., 100.]).view(4, 1)
    mixed = alignmix_plan(mode, LAM, PERM).labels(x)
    partner = torch.tensor([1., 10., 100., 0.]).view(4, 1)
    anchor = x
    if mode == 'feat_swap':
        anchor, partner = partner, anchor
    lam = LAM.view(4, 1)
    torch.testing.assert_close(mixed, lam * anchor + (1 - lam) * partner)


@pytest.mark.parametrize('mode', ['feat', 'feat_swap'])
def test_pair_and_mix_agree(mode):
    x = torch.randn(4, 3, 2, 2)
    plan = alignmix_plan(mode, torch.tensor(0.3), PERM)
    anchor, partner = plan.labels.split(x)
    torch.testing.assert_close(plan.labels(x), 0.3 * anchor + 0.7 * partner)


def test_swap_is_the_inverse_permutation_reordered():
    x = torch.randn(4, 5)
    inverse = torch.argsort(PERM)
    swapped = alignmix_plan('feat_swap', LAM[inverse], inverse).labels(x)
    direct = alignmix_plan('feat', LAM, PERM)
    # sample i of the one is sample perm[i] of the other
    anchors, partners = direct.labels.split(x)
    expected = (LAM.view(4, 1) * anchors + (1 - LAM.view(4, 1)) * partners)
    order = torch.argsort(inverse)
    torch.testing.assert_close(swapped[order], expected)


def test_endpoints_are_exact():
    x = torch.randn(4, 3)
    for lam, index in ((1., torch.arange(4)), (0., PERM)):
        plan = alignmix_plan('input', torch.full((4, ), lam), PERM)
        assert torch.equal(plan.labels(x), x[index])


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16,
                                   torch.float32, torch.float64])
def test_lambda_is_not_rounded_to_the_dtype(dtype):
    x = torch.tensor([[0.], [1.], [0.], [0.]], dtype=dtype)
    # 0.999 would be 1 in bfloat16, and the first result 0
    mixed = alignmix_plan('embed', torch.full((4, ), 0.999), PERM).labels(x)
    assert mixed.dtype == dtype
    expected = torch.tensor([1 - 0.999, 0.999, 0., 0.])
    torch.testing.assert_close(mixed[:, 0], expected.to(dtype))


@pytest.mark.parametrize('mode', ['input', 'embed', 'feat', 'feat_swap'])
def test_gradients_of_both_branches(mode):
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(4, 3, dtype=torch.float64)
    mixed = alignmix_plan(mode, LAM.double(), PERM).labels(x)
    (mixed * weights).sum().backward()
    lam = LAM.double().view(4, 1)
    anchor, partner = torch.arange(4), PERM
    if mode == 'feat_swap':
        anchor, partner = partner, anchor
    expected = torch.zeros(4, 3, dtype=torch.float64)
    expected.index_add_(0, anchor, lam * weights)
    expected.index_add_(0, partner, (1 - lam) * weights)
    torch.testing.assert_close(x.grad, expected)


def test_a_plan_belongs_to_one_batch_size():
    with pytest.raises(ValueError, match='batch of 4 samples.*got 3'):
        alignmix_plan('input', LAM, PERM).labels(torch.zeros(3, 2))


def make_batch():
    return MixBatch(torch.zeros(4, 3, 8, 8), alignmix_plan('feat', LAM, PERM))


@pytest.mark.parametrize('use', [
    nn.Conv2d(3, 4, 1), nn.Flatten(), torch.relu, lambda x: x.shape,
    lambda x: x.mean(), lambda x: torch.cat([x, x]),
    lambda x: x.size(0), lambda x: x.flatten(1),
])
def test_a_layer_that_gets_a_mix_batch_raises(use):
    with pytest.raises((TypeError, AttributeError)) as error:
        use(make_batch())
    assert 'received a MixBatch' in str(error.value)
    assert "'AlignMixClassifier'" in str(error.value)


@pytest.mark.parametrize('use', [lambda x: x[0], lambda x: x * 2, len, iter])
def test_nothing_else_takes_it_for_a_tensor(use):
    with pytest.raises(TypeError, match=re.compile('MixBatch')):
        use(make_batch())


def test_survives_copy_and_pickle():
    for clone in copy.deepcopy(make_batch()), pickle.loads(
            pickle.dumps(make_batch())):
        assert clone.plan.tag == 'feat'
        assert torch.equal(clone.plan.labels.perm, PERM)


def test_is_immutable():
    with pytest.raises(AttributeError):
        make_batch().plan.tag = 'input'
