"""Boxes of hand-made maps, by the definition."""
import numpy as np
import pytest

from alignmix_mm.evaluation.functional import (
    best_iou_curve,
    box_iou,
    boxes_from_map,
    resize_boxes,
)
from alignmix_mm.evaluation.functional.boxes import THRESHOLDS


def blank(*rectangles, size=(224, 224)):
    """A map with ones in rectangles (x, y, width, height)."""
    scores = np.zeros(size)
    for x, y, w, h in rectangles:
        scores[y:y + h, x:x + w] = 1
    return scores


def boxes(scores, contours='largest', threshold=.15):
    found, = boxes_from_map(scores, [threshold], contours)
    return sorted(map(list, found.tolist()))


@pytest.mark.parametrize('rectangle, box', [
    ((90, 112, 1, 1), [90, 112, 91, 113]),  # one pixel larger
    ((223, 223, 1, 1), [223, 223, 223, 223]),  # but not beyond the border
    ((0, 0, 224, 224), [0, 0, 223, 223]),
    ((0, 10, 5, 214), [0, 10, 5, 223]),
    ((30, 40, 20, 7), [30, 40, 50, 47])])
def test_the_box_of_a_rectangle(rectangle, box):
    for contours in 'largest', 'all', 'mask':
        assert boxes(blank(rectangle), contours) == [box]


def test_no_foreground_is_a_box_at_the_origin():
    for contours in 'largest', 'all', 'mask':
        assert boxes(blank(), contours) == [[0, 0, 0, 0]]
    curve = best_iou_curve(blank(), [[0, 0, 0, 0]])
    assert (curve == 1).all()


def test_largest_is_the_area_inside_the_contour():
    """A thin line has none; a thin ring counts what it encloses."""
    line_and_blob = blank((10, 100, 200, 1), (50, 20, 9, 9))
    assert boxes(line_and_blob) == [[50, 20, 59, 29]]
    ring = blank((20, 20, 60, 60), (120, 20, 50, 50))
    ring[21:79, 21:79] = 0
    assert boxes(ring) == [[20, 20, 80, 80]]


def test_ties_are_won_by_the_bottom_and_the_right():
    assert boxes(blank((50, 100, 41, 41), (150, 100, 41, 41))) == [
        [150, 100, 191, 141]]
    assert boxes(blank((100, 60, 41, 41), (100, 160, 41, 41))) == [
        [100, 160, 141, 201]]


def test_diagonal_neighbours_are_connected():
    assert boxes(blank((60, 60, 50, 50), (110, 110, 50, 50)), 'all') == [
        [60, 60, 160, 160]]


def test_all_contours_include_holes_and_islands():
    scores = blank((50, 50, 100, 100))
    scores[70:130, 80:120] = 0
    scores[90:100, 95:105] = 1
    # the hole's border are the foreground pixels around it
    assert boxes(scores, 'all') == [
        [50, 50, 150, 150], [79, 69, 121, 131], [95, 90, 105, 100]]
    assert boxes(scores) == [[50, 50, 150, 150]]


def test_the_mask_is_boxed_as_a_whole():
    scores = blank((10, 20, 5, 5), (200, 100, 10, 10))
    assert boxes(scores, 'mask') == [[10, 20, 210, 110]]
    assert len(boxes(scores, 'all')) == 2


def test_thresholds_are_levels_below_the_largest():
    ramp = np.tile(np.arange(256) / 255, (8, 1))  # level = column
    for threshold in (0., .15, .5, .999):
        cut = int(threshold * 255)
        # strictly above, and to the border
        assert boxes(ramp, threshold=threshold) == [[cut + 1, 0, 255, 7]]
    half = ramp * (100 / 255)  # relative to the map's own maximum
    first = int(np.flatnonzero(np.trunc(half[0] * 255) > 15)[0])
    assert boxes(half) == [[first, 0, 255, 7]]


def test_a_constant_map_that_is_not_zero_is_full_at_every_threshold():
    found = boxes_from_map(np.full((224, 224), .5))
    assert len(found) == 1000
    assert all(b.tolist() == [[0, 0, 223, 223]] for b in found)


def test_the_grid_has_a_thousand_thresholds():
    assert len(THRESHOLDS) == 1000 and THRESHOLDS[0] == 0
    assert THRESHOLDS[-1] == pytest.approx(.999)


def iou_by_counting(a, b, size=60):
    """Pixels of two boxes, the last one inside."""
    masks = np.zeros((2, size, size), bool)
    for mask, (x0, y0, x1, y1) in zip(masks, (a, b)):
        mask[y0:y1 + 1, x0:x1 + 1] = True
    return (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()


def test_iou_is_that_of_counting_pixels():
    rng = np.random.default_rng(0)
    low = rng.integers(0, 25, (2, 30, 2))
    both = np.concatenate([low, low + rng.integers(0, 25, (2, 30, 2))], 2)
    expected = [[iou_by_counting(a, b) for b in both[1]] for a in both[0]]
    np.testing.assert_array_equal(box_iou(*both), expected)
    assert box_iou([[3, 4, 3, 4]], [[3, 4, 3, 4]]) == 1  # a point with itself


@pytest.mark.parametrize('box', [
    [-1, 0, 5, 5], [5, 0, 4, 5], [0, 5, 5, 4], [0, 0, np.nan, 5]])
def test_what_is_no_box_is_refused(box):
    for call in (lambda: box_iou([box], [[0, 0, 1, 1]]),
                 lambda: box_iou([[0, 0, 1, 1]], [box]),
                 lambda: resize_boxes([box], (9, 9), (5, 5))):
        with pytest.raises(ValueError, match='x0 <= x1'):
            call()
    with pytest.raises(ValueError, match='at least one box'):
        box_iou(np.zeros((0, 4)), [[0, 0, 1, 1]])


def test_boxes_are_scaled_by_their_axis_and_cut_off():
    box = resize_boxes([[60, 27, 385, 331]], (500, 375), (224, 224))
    assert box.tolist() == [[26, 16, 172, 197]]
    # 3 * (224 / 42) is 15.999999999999998
    assert resize_boxes([[3, 3, 3, 3]], (42, 42), (224, 224)).tolist() == [
        [16, 16, 16, 16]]


@pytest.mark.parametrize('call, message', [
    (lambda: boxes_from_map(np.full((4, 4), 3.)), '`score_map` normalizes'),
    (lambda: boxes_from_map(np.full((4, 4), np.nan)), 'from 0 to 1'),
    (lambda: boxes_from_map(np.zeros(4)), r'\(H, W\)'),
    (lambda: boxes_from_map(np.zeros((4, 4)), [15]), 'thresholds .* 0 to 1'),
    (lambda: boxes_from_map(np.zeros((4, 4)), contours='one'), "'largest'")])
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
