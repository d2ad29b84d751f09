"""Whatever the size, dtype and magnitude: a value, or what is wrong."""
import math

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from alignmix_mm.evaluation import functional as F

quick = settings(max_examples=60, deadline=None, derandomize=True)
seeds = st.integers(0, 10**6)
floats = st.floats(-1e30, 1e30, allow_subnormal=True)
anything = st.floats(allow_nan=True, allow_infinity=True)


def or_says_so(function, *args, **kwargs):
    """The result, or None if the arguments are refused by name."""
    try:
        return function(*args, **kwargs)
    except (ValueError, TypeError) as error:
        assert len(str(error)) > 20, 'what was expected, and what came'
        return None


@quick
@given(st.integers(1, 50), st.integers(1, 12), st.integers(1, 30), seeds,
       st.floats(1e-30, 1e4), st.sampled_from(['f4', 'f8']))
def test_calibration_is_bounded(n, k, bins, seed, scale, dtype):
    numbers = np.random.default_rng(seed)
    logits = numbers.normal(size=(n, k)) * scale
    logits -= logits.max(1, keepdims=True)
    probs = np.exp(logits)
    probs = (probs / probs.sum(1, keepdims=True)).astype(dtype)
    labels = numbers.integers(0, k, n)
    ece = F.expected_calibration_error(probs, labels, n_bins=bins)
    oe = F.overconfidence_error(probs, labels, n_bins=bins)
    assert 0 <= ece <= 1 and 0 <= oe <= 1
    table = F.bin_statistics(probs, labels, n_bins=bins)
    assert table.count.sum() == n


@quick
@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2),
                  elements=anything), seeds)
def test_what_is_no_distribution_is_refused(probs, seed):
    labels = np.random.default_rng(seed).integers(0, probs.shape[1],
                                                  len(probs))
    value = or_says_so(F.expected_calibration_error, probs, labels)
    assert value is None or 0 <= value <= 1


@quick
@given(hnp.arrays(np.float64, st.integers(0, 30), elements=anything),
       hnp.arrays(np.float64, st.integers(0, 30), elements=anything))
def test_detection_is_bounded_or_refused(known, unknown):
    metrics = or_says_so(F.ood_metrics, known, unknown)
    if metrics is None:
        assert not (len(known) and len(unknown) and np.isfinite(known).all()
                    and np.isfinite(unknown).all())
        return
    for key in ('auroc', 'aupr_id', 'aupr_ood', 'det_acc', 'det_acc_best'):
        assert 0 <= metrics[key] <= 1, key


@quick
@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2,
                                               max_side=9), elements=anything),
       st.tuples(st.integers(1, 40), st.integers(1, 40)),
       st.sampled_from(['minmax', 'max']))
def test_score_maps_are_in_the_unit_interval(cam, size, norm):
    scores = or_says_so(F.score_map, cam, size, norm=norm)
    if scores is None:
        return
    assert scores.shape == size and scores.dtype == np.float64
    assert (scores >= 0).all() and (scores <= 1).all()


@quick
@given(st.integers(1, 20), st.integers(1, 20), seeds,
       st.sampled_from(['largest', 'all']),
       st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_boxes_lie_in_their_image(height, width, seed, contours, thresholds):
    scores = np.random.default_rng(seed).random((height, width))
    found = F.boxes_from_map(scores, thresholds, contours)
    assert len(found) == len(thresholds)
    for boxes in found:
        assert boxes.ndim == 2 and boxes.shape[1] == 4 and len(boxes)
        assert (boxes >= 0).all()
        assert (boxes[:, 0::2] < width + 1).all()
        assert (boxes[:, 1::2] < height + 1).all()
        overlap = F.box_iou(boxes, boxes)
        assert np.isfinite(overlap).all() and (overlap.diagonal() == 1).all()
        assert ((overlap >= 0) & (overlap <= 1)).all()


@quick
@given(hnp.arrays(np.float64, st.tuples(st.integers(0, 5), st.just(4)),
                  elements=anything))
def test_boxes_that_are_none_are_refused(boxes):
    overlap = or_says_so(F.box_iou, boxes, boxes)
    assert overlap is None or (
        ((overlap >= 0) & (overlap <= 1)).all() and np.isfinite(
            overlap).all())


@quick
@given(st.integers(1, 4), st.floats(0, 64), st.floats(0, 32),
       st.integers(0, 4), seeds, st.floats(-20, 20).map(lambda x: 10.**x))
def test_attacks_stay_in_their_ball(n, eps, step, num_steps, seed, scale):
    numbers = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, 3, 4, 5), generator=numbers).float()
    weight = torch.randn(60, 3, generator=numbers) * scale
    labels = torch.randint(0, 3, (n, ), generator=numbers)
    attacked = or_says_so(
        F.projected_gradient_ascent, lambda x: x.flatten(1) @ weight, images,
        labels, eps, step, num_steps)
    assume(attacked is not None)
    assert torch.isfinite(attacked).all()
    assert (attacked >= 0).all() and (attacked <= 255).all()
    # float32 of numbers up to 255
    assert (attacked - images).abs().max() <= eps + 3e-5


@quick
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5),
       st.integers(1, 5), seeds, st.floats(-15, 15).map(lambda x: 10.**x))
def test_maps_average_to_logits(n, c, h, w, seed, scale):
    numbers = torch.Generator().manual_seed(seed)
    features = torch.randn(n, c, h, w, generator=numbers) * scale
    weight = torch.randn(3, c, generator=numbers)
    labels = torch.randint(0, 3, (n, ), generator=numbers)
    cams = F.class_activation_map(features, weight, labels)
    assert cams.shape == (n, h, w)
    logits = features.mean((2, 3)) @ weight.T
    expected = logits.gather(1, labels[:, None])[:, 0]
    # float32 sums of at most 125 terms that may cancel
    bound = 2e-5 * scale * c * (1 + math.sqrt(h * w))
    assert (cams.mean((1, 2)) - expected).abs().max() <= bound
