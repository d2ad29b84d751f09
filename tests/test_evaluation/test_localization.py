"""Figures of localization, by the definition and by brute force."""
import functools

import numpy as np
import pytest
from scipy import ndimage

from alignmix_mm.evaluation.functional import (
    best_iou_curve,
    best_iou_curves,
    boxes_from_map,
    localization_metrics,
    localize,
    max_box_accuracy,
    resize_boxes,
    score_map,
)
from alignmix_mm.evaluation.functional.boxes import THRESHOLDS
from alignmix_mm.evaluation.functional.localization import MASK_THRESHOLDS

EIGHT = np.ones((3, 3))


def random_map(seed, size=40):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    centers = rng.uniform(0, size, (3, 2))
    scores = sum(np.exp(-((x - cx)**2 + (y - cy)**2) / rng.uniform(8, 80))
                 for cx, cy in centers)
    scores -= scores.min()
    return scores / scores.max()


def iou_by_counting(a, b, size=60):
    """Pixels of two boxes, the last one inside."""
    masks = np.zeros((2, size, size), bool)
    for mask, (x0, y0, x1, y1) in zip(masks, (a, b)):
        mask[y0:y1 + 1, x0:x1 + 1] = True
    return (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()


@pytest.mark.parametrize('contours', ['largest', 'all', 'mask'])
@pytest.mark.parametrize('seed', range(4))
def test_curves_are_those_of_every_threshold_by_itself(contours, seed):
    scores, truth = random_map(seed), [[5, 8, 20, 30], [22, 3, 38, 17]]
    curve = best_iou_curve(scores, truth, contours=contours)
    assert curve.shape == (1000, )
    for n in range(0, 1000, 41):
        found, = boxes_from_map(scores, THRESHOLDS[n:n + 1], contours)
        best = max(iou_by_counting(a, b) for a in found for b in truth)
        assert curve[n] == best


def test_curves_share_the_contours_and_not_the_choice():
    scores, truth = random_map(0), [[5, 8, 20, 30]]
    curves = best_iou_curves(scores, truth)
    assert list(curves) == ['largest', 'all']
    for name, curve in curves.items():
        np.testing.assert_array_equal(
            curve, best_iou_curve(scores, truth, contours=name))
    assert (curves['all'] >= curves['largest']).all()
    assert (curves['all'] > curves['largest']).any()


def test_255_thresholds_see_all_masks_of_a_normalized_map():
    assert len(MASK_THRESHOLDS) == 255 and set(MASK_THRESHOLDS) <= set(
        THRESHOLDS)
    truth = [[5, 8, 20, 30]]
    few = [best_iou_curve(random_map(n), truth, MASK_THRESHOLDS)
           for n in range(5)]
    many = [best_iou_curve(random_map(n), truth) for n in range(5)]
    assert max_box_accuracy(few, thresholds=MASK_THRESHOLDS) == (
        max_box_accuracy(many))


def test_the_best_threshold_is_chosen_for_each_level_and_not_each_image():
    curves = np.array([[.3, .6, .1], [.9, .2, .5], [.7, .5, .4]])
    result = max_box_accuracy(curves, thresholds=[.1, .2, .3])
    assert result == {
        'box_acc@30': 1., 'best_threshold@30': .1,
        'box_acc@50': 2 / 3, 'best_threshold@50': .1,
        'box_acc@70': 2 / 3, 'best_threshold@70': .1,
        'mean': pytest.approx(7 / 9)}
    each = max_box_accuracy([[.3, .69], [.7, .1]])
    assert each['best_threshold@30'] == 0 and each['mean'] == pytest.approx(
        (1 + .5 + .5) / 3)
    # the best threshold of 50 is another one than that of 30
    apart = max_box_accuracy([[.4, .1], [.4, .6], [.1, .6]])
    assert (apart['best_threshold@30'], apart['best_threshold@50']) == (0, .5)


def test_neither_one_threshold_for_all_levels_nor_one_for_each_image():
    curves = np.array([[.4, .1, .1], [.4, .6, .1], [.4, .6, .1], [.1, .1, .8]])
    ok = np.stack([curves >= level for level in (.3, .5, .7)])
    joint, each = ok.mean((0, 1)).max(), ok.any(2).mean()
    mean = max_box_accuracy(curves)['mean']
    assert mean == pytest.approx((3 + 2 + 1) / 12)
    assert joint == pytest.approx((2 + 2 + 0) / 12)
    assert joint < mean < each


def brute_force(scores, truth, threshold, contours):
    """Best IoU by labelling components instead of following borders."""
    levels = np.trunc(scores * 255)
    mask = levels > int(threshold * levels.max())
    parts = [ndimage.label(mask, EIGHT)]
    if contours == 'all':  # a hole is background that touches no edge; its
        holes, count = ndimage.label(np.pad(~mask, 1, constant_values=True))
        for n in range(1, count + 1):
            if n != holes[0, 0]:  # box is that of the foreground around it
                around = ndimage.binary_dilation(holes == n, EIGHT)[1:-1, 1:-1]
                parts.append((around, 1))
    size = np.array(mask.shape[::-1]) - 1
    best = []
    for labels, count in parts:
        for n in range(1, count + 1):
            y, x = np.nonzero(labels == n)
            box = [x.min(), y.min(), *np.minimum(
                [x.max() + 1, y.max() + 1], size)]
            best.append(max(iou_by_counting(box, t) for t in truth))
    return max(best, default=max(
        iou_by_counting([0, 0, 0, 0], t) for t in truth))


def test_figures_are_those_of_brute_force():
    """Single blobs with holes, where largest and connected are the same."""
    rng, images, all_curves = np.random.default_rng(0), [], []
    for n in range(8):
        cam = random_map(10 + n, 9)
        scores = score_map(cam, (40, 40))
        # near a box of the map, each near that of another threshold
        near = boxes_from_map(scores, [.1 + .1 * n])[0]
        truth = (near + rng.integers(0, 9, (1, 4))).clip(0, 39)
        truth = np.concatenate([truth, [[3, 4, 9, 30]]])[:1 + n % 2]
        images.append(localize(cam, truth, (40, 40)))
        all_curves.append([brute_force(scores, truth, tau, 'all')
                           for tau in MASK_THRESHOLDS])
    np.testing.assert_array_equal([image.all for image in images], all_curves)
    result = localization_metrics(images, np.zeros(8))
    curves = np.array(all_curves)
    parts = [(curves >= level).mean(0).max() for level in (.3, .5, .7)]
    assert [result[f'boxacc@{n}'] for n in (30, 50, 70)] == parts
    assert result['maxboxaccv2'] == pytest.approx(np.mean(parts))


def test_the_centre_baseline_by_its_geometry():
    """A map that falls off with the distance has squares for boxes."""
    y, x = np.mgrid[:224, :224] - 111.5
    cam = np.exp(-(x**2 + y**2) / 2 / 56**2)
    scores = (cam - cam.min()) / (cam.max() - cam.min())
    rng = np.random.default_rng(0)
    sizes = rng.integers(100, 500, (40, 2))
    low = (rng.uniform(0, .5, (40, 2)) * sizes).astype(int)
    high = (low + rng.uniform(.2, .5, (40, 2)) * sizes).astype(int)
    truths = [resize_boxes([[*a, *b]], tuple(s), (224, 224))
              for a, b, s in zip(low, high, sizes)]
    images = [localize(cam, truth, (224, 224)) for truth in truths]
    row = np.trunc(scores[111] * 255)  # the widest of all rows

    @functools.cache  # 1000 thresholds have 112 squares
    def ious_of(a, b):
        return np.array([iou_by_counting([a, a, b, b], truth[0], 224)
                         for truth in truths])

    accuracy = {}
    for tau in THRESHOLDS:
        inside = np.flatnonzero(row > int(tau * 255))
        assert inside[0] + inside[-1] == 223
        ious = ious_of(inside[0], min(inside[-1] + 1, 223))
        for level in (.3, .5, .7):
            accuracy[level, tau] = ious >= level
    result = localization_metrics(images, np.zeros(40))
    for level in (.3, .5, .7):
        best = max(np.mean(v) for k, v in accuracy.items() if k[0] == level)
        assert result[f'boxacc@{round(100 * level)}'] == best
    assert result['maxboxacc'] == result['boxacc@50']  # there is one contour
    fixed = accuracy[.5, THRESHOLDS[150]]
    assert result['gtknown@0.15'] == np.mean(fixed)


TRUTH = [[50, 50, 100, 100]]


def image_of(*rectangles, truth=TRUTH, **options):
    cam = np.zeros((224, 224))
    for x, y, w, h in rectangles:
        cam[y:y + h, x:x + w] = 1
    return localize(cam, truth, (224, 224), **options)


def test_an_image_has_the_box_of_its_threshold():
    image = image_of((50, 50, 50, 50), (120, 50, 20, 20))
    assert image.box.tolist() == TRUTH[0] and image.iou == 1
    assert not image.degenerate
    both = image_of((50, 50, 50, 50), (120, 50, 20, 20), box='mask')
    assert both.box.tolist() == [50, 50, 140, 100]
    assert both.iou == 51 * 51 / (91 * 51)
    # curves are defined by contours and do not follow the fixed box
    np.testing.assert_array_equal(image.largest, both.largest)
    second = image_of((50, 50, 50, 50), (150, 50, 60, 60))
    assert second.iou == 0 and (second.all == 1).all()  # V2 finds the other


def test_normalizations_differ_where_values_are_negative():
    cam = np.full((14, 14), -.5)
    cam[:, :6] = -3
    cam[4:8, 8:12] = 1
    boxes = [localize(cam, TRUTH, (224, 224), norm=norm).box
             for norm in ('minmax', 'max')]
    assert boxes[0][3] - boxes[0][1] > 200 and boxes[1][3] - boxes[1][1] < 90
    tau = localize(cam, TRUTH, (224, 224), tau=.9).box
    assert tau[3] - tau[1] < 60


@pytest.mark.parametrize('cam', [
    np.full((14, 14), .3, np.float32), np.zeros((14, 14)),
    np.where(np.eye(14) > 0, np.nan, 1)])
def test_degenerate_maps_are_counted_and_not_left_out(cam):
    image = localize(cam, [[0, 0, 0, 0]], (224, 224))
    assert image.degenerate and image.box.tolist() == [0, 0, 0, 0]
    assert image.iou == 1
    result = localization_metrics([image, image_of((50, 50, 50, 50))], [0, 0])
    assert (result['n_images'], result['n_degenerate']) == (2, 1)


def test_all_true_boxes_count():
    image = image_of((50, 50, 50, 50), truth=[[0, 0, 9, 9], *TRUTH])
    assert image.iou == 1 and (image.all == 1).all()


def test_the_class_matters_for_top_k_and_nothing_else():
    right, wrong = image_of((50, 50, 50, 50)), image_of((0, 0, 9, 9))
    images = [right, right, wrong, right]
    result = localization_metrics(images, [0, 3, 0, 7], topk=(1, 5))
    assert result['top1_cls'] == .5 and result['top5_cls'] == .75
    assert result['gtknown@0.15'] == .75
    assert result['top1_loc@0.15'] == .25 and result['top5_loc@0.15'] == .5
    assert result['top1_loc@oracle'] == .25
    assert result['maxboxacc'] == result['maxboxaccv2'] == .75
    assert result['mean_iou@0.15'] == pytest.approx(.75)  # the other is 0
    other = localization_metrics(images, [9, 9, 9, 9], topk=(1, 5))
    same = {k for k in result if not k.startswith(('top', 'best_tau@top'))}
    assert {k: other[k] for k in same} == {k: result[k] for k in same}
    assert other['top1_loc@0.15'] == other['top1_loc@oracle'] == 0


def test_oracle_thresholds_are_named_as_such():
    """A blob on a plateau: only a high threshold finds it."""
    cam = np.full((224, 224), .5)
    cam[0, 0] = 0
    cam[50:100, 50:100] = 1
    result = localization_metrics([localize(cam, TRUTH, (224, 224))], [0])
    assert result['top1_loc@0.15'] == result['gtknown@0.15'] == 0
    assert result['top1_loc@oracle'] == result['maxboxacc'] == 1
    for name in 'maxboxacc', 'top1_loc', '30', '50', '70':
        # levels are 127 and 255: .5 * 255 = 127.5 is the first that cuts
        assert result[f'best_tau@{name}'] == pytest.approx(.499)
    other = localization_metrics([localize(cam, TRUTH, (224, 224), .6)], [0],
                                 .6)
    assert other['top1_loc@0.6'] == 1 and 'top1_loc@0.15' not in other


def test_nothing_is_changed_in_place():
    cam = np.random.default_rng(0).normal(size=(14, 14))
    before = cam.copy()
    localize(cam, TRUTH, (224, 224))
    boxes_from_map(random_map(0))
    np.testing.assert_array_equal(cam, before)


@pytest.mark.parametrize('call, message', [
    (lambda: max_box_accuracy(np.zeros((0, 5))), 'at least one image'),
    (lambda: max_box_accuracy(np.zeros((2, 5)), thresholds=[.1]), '5 thresh'),
    (lambda: best_iou_curves(random_map(0), TRUTH, contours=('one', )),
     "'largest', 'all', 'mask'"),
    (lambda: localization_metrics([], []), 'at least one image'),
    (lambda: localization_metrics([image_of()], [0, 1]), 'one for each image'),
    (lambda: localize(np.zeros((3, 3)), [], (9, 9)), 'at least one box')])
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
