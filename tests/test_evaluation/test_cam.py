"""Maps of classes, and their normalization."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from alignmix_mm.evaluation.functional import (
    boxes_from_map,
    class_activation_map,
    score_map,
)


def test_mean_and_bias_are_the_logit():
    features, labels = torch.randn(5, 7, 3, 4), torch.tensor([2, 0, 1, 1, 2])
    linear = torch.nn.Linear(7, 3)
    cam = class_activation_map(features, linear.weight, labels)
    logits = linear(features.mean((2, 3)))
    torch.testing.assert_close(
        cam.mean((1, 2)) + linear.bias[labels], logits[range(5), labels])
    assert cam.min() < 0  # no ReLU


@pytest.mark.parametrize('norm', ['minmax', 'max'])
def test_maps_are_enlarged_and_then_normalized(norm):
    cam = torch.randn(5, 7, dtype=torch.float64)
    before = cam.clone()
    # another implementation of the bicubic kernel with a = -0.75
    big = F.interpolate(cam[None, None], (30, 44), mode='bicubic',
                        align_corners=False)[0, 0].numpy()
    big = big - big.min() if norm == 'minmax' else big.clip(0)
    result = score_map(cam, (30, 44), norm)
    # the weights of the kernel are float32
    np.testing.assert_allclose(result, big / big.max(), atol=2e-6)
    assert result.dtype == np.float64 and result.max() == 1
    assert torch.equal(cam, before)
    np.testing.assert_allclose(
        score_map(cam.float(), (30, 44), norm), result, atol=1e-5)


def test_negatives_matter_for_one_normalization_only():
    cam = np.full((4, 4), -3.)
    cam[1, 2] = 1.
    assert (score_map(cam, (8, 8), 'max') == 0).mean() > .5
    assert (score_map(cam, (8, 8)) == 0).sum() < 16  # overshoot of the kernel


@pytest.mark.parametrize('norm', ['minmax', 'max'])
@pytest.mark.parametrize('value', [0., -2.7, np.nan, np.inf, -np.inf])
def test_maps_without_a_maximum_are_empty(norm, value):
    cam = np.zeros((14, 14)) if np.isfinite(value) else np.random.rand(14, 14)
    cam[3, 4] = value
    if np.isfinite(value):
        cam[:] = value
    scores = score_map(cam, (224, 224), norm)
    assert not scores.any()
    assert boxes_from_map(scores, [.15])[0].tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize('value', [.1, 1 / 3, 127.])
def test_a_constant_map_is_empty_or_full(value):
    cam = np.full((14, 14), value, np.float32)
    assert not score_map(cam, (224, 224)).any()
    assert (score_map(cam, (224, 224), 'max') == 1).all()


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r'\(h, w\).*\(2, 3, 4\)'):
        score_map(np.zeros((2, 3, 4)), (8, 8))
    with pytest.raises(ValueError, match="'minmax', 'max'.*'softmax'"):
        score_map(np.zeros((3, 4)), (8, 8), 'softmax')
