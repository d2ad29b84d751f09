"""Erasing by attention, against loops over positions."""
import pytest
import torch
from erasing_loops import dropout_by_loops

from alignmix_mm.models import (
    attention_dropout,
    erase_attended,
    normalize_maps,
)

EXACT = dict(rtol=0, atol=0)


@pytest.mark.parametrize('drop', [True, False])
@pytest.mark.parametrize('shift', [0., 2., -9.])
def test_dropout_is_that_of_the_loops(drop, shift):
    features = torch.randn(3, 5, 4, 7, dtype=torch.float64) + shift
    before = features.clone()
    result = attention_dropout(features, drop, .6)
    torch.testing.assert_close(
        result, dropout_by_loops(features, drop, .6))
    assert torch.equal(features, before)
    # a share of a negative maximum is above it: nothing is dropped
    assert (result == 0).any() == (drop and shift >= 0)


def test_the_maximum_is_that_of_each_sample():
    features = torch.tensor([1., 2., 4.]).view(1, 1, 1, 3).repeat(2, 2, 1, 1)
    features[1] *= 100
    result = attention_dropout(features, True, .5)
    # 2 = .5 * 4 is not below the threshold
    assert result[:, 0, 0].tolist() == [[1, 0, 0], [100, 0, 0]]


def test_a_threshold_of_one_drops_the_maximum_alone():
    features = torch.tensor([1., 3., 2., 3.]).view(1, 1, 2, 2)
    result = attention_dropout(features, True, 1.)
    assert result.flatten().tolist() == [1, 0, 2, 0]
    assert not attention_dropout(features, True, 0.).any()


def test_gradients_flow_through_the_attention():
    features = torch.randn(2, 3, 4, 5, dtype=torch.float64,
                           requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x: attention_dropout(x, False, .8), features)
    weights = torch.randn_like(features)
    (attention_dropout(features, False, .8) * weights).sum().backward()
    gate = features.detach().mean(1, keepdim=True).sigmoid()
    # product rule: of the features, and of their mean in the gate
    inside = (weights * features.detach()).sum(1, keepdim=True)
    torch.testing.assert_close(
        features.grad, weights * gate + inside * gate * (1 - gate) / 3)


def test_the_drop_mask_has_no_gradient_of_its_own():
    features = torch.randn(2, 3, 4, 5, requires_grad=True)
    dropped = attention_dropout(features, True, .5)
    dropped.sum().backward()
    kept = (dropped != 0).float()
    torch.testing.assert_close(features.grad, kept, **EXACT)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16,
                                   torch.float64])
def test_dtypes_are_kept(dtype):
    features = torch.randn(2, 3, 5, 4).to(dtype)
    maps = normalize_maps(features[:, 0])
    assert maps.dtype == dtype
    for drop in (True, False):
        assert attention_dropout(features, drop, .8).dtype == dtype
    assert erase_attended(features, maps.float(), .7).dtype == dtype


def test_normalized_maps_are_those_of_the_loops():
    maps = torch.randn(3, 2, 4, 5, dtype=torch.float64) * 7 - 2
    result = normalize_maps(maps)
    for b in range(3):
        for k in range(2):
            values = maps[b, k].flatten().tolist()
            low, high = min(values), max(values)
            expected = [(v - low) / (high - low) for v in values]
            assert result[b, k].flatten().tolist() == expected
    assert torch.equal(normalize_maps(maps[0, 0]), result[0, 0])
    assert result.amin() == 0 and result.amax() == 1


def test_constant_maps_become_zeros():
    maps = torch.stack([torch.full((3, 4), .1), torch.zeros(3, 4),
                        torch.arange(12.).view(3, 4)])
    result = normalize_maps(maps)
    assert not result[:2].any() and result[2].max() == 1
    maps.requires_grad_()  # nor is there NaN in the gradient
    normalize_maps(maps).sum().backward()
    assert maps.grad.isfinite().all()


@pytest.mark.parametrize('shape', [(2, 3, 4), (2, 1, 3, 4)])
def test_what_reaches_the_threshold_is_erased(shape):
    features = torch.randn(2, 5, 3, 4)
    attention = torch.rand(2, 3, 4)
    attention[0, 1, 2] = .5  # the threshold itself
    result = erase_attended(features, attention.view(shape), .5)
    for b in range(2):
        for y in range(3):
            for x in range(4):
                expected = (torch.zeros(5) if attention[b, y, x] >= .5 else
                            features[b, :, y, x])
                assert torch.equal(result[b, :, y, x].abs(), expected.abs())
    assert not result[0, :, 1, 2].any()


def test_nothing_attends_nothing_is_erased():
    features = torch.randn(2, 5, 3, 4)
    nan = torch.full((2, 3, 4), torch.nan)
    assert torch.equal(erase_attended(features, nan, .5), features)
    constant = normalize_maps(torch.ones(2, 3, 4))
    assert torch.equal(erase_attended(features, constant, .5), features)


def test_erasing_has_the_gradient_of_what_is_kept():
    features = torch.randn(2, 5, 3, 4, requires_grad=True)
    attention = torch.rand(2, 3, 4, requires_grad=True)
    erase_attended(features, attention, .5).sum().backward()
    kept = (attention < .5).float()[:, None].expand(-1, 5, -1, -1)
    torch.testing.assert_close(features.grad, kept, **EXACT)
    assert attention.grad is None


@pytest.mark.parametrize('call, message', [
    (lambda: attention_dropout(torch.ones(2, 3), True, .8),
     r'\(B, C, h, w\), but got \(2, 3\)'),
    (lambda: normalize_maps(torch.ones(3)), r'\(\.\.\., h, w\).*\(3,\)'),
    (lambda: erase_attended(torch.ones(3, 4), torch.ones(3, 4), .7),
     r'\(B, C, h, w\), but got \(3, 4\)'),
    (lambda: erase_attended(torch.ones(2, 5, 3, 4), torch.ones(2, 4, 3), .7),
     r'attention \(2, 3, 4\) .* got \(2, 4, 3\)')])
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
