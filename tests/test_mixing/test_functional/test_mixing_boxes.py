"""Boxes against loops over pixels."""
import math

import numpy as np
import pytest
import torch

from alignmix_mm.mixing.functional import (
    box_around,
    box_share,
    paste_box,
    saliency_box,
)


def by_loops(size, share, center):
    """Rows and columns of the box in Python."""
    half = [int(side * math.sqrt(share)) // 2 for side in size]
    low = [min(max(c - h, 0), side)
           for c, h, side in zip(center, half, size)]
    high = [min(max(c + h, 0), side)
            for c, h, side in zip(center, half, size)]
    return [*low, *high]


CASES = [((32, 32), .5, (3, 30)), ((7, 5), 1., (3, 2)), ((1, 1), 1., (0, 0)),
         ((33, 65), .25, (0, 64)), ((16, 9), 0., (8, 4)),
         ((224, 224), .04, (111, 112)), ((31, 31), .37, (30, 0))]


@pytest.mark.parametrize('size, share, center', CASES)
def test_box_around_a_center(size, share, center):
    box = box_around(size, share, center)
    assert box.dtype == torch.int64
    assert box.tolist() == by_loops(size, share, center)
    # float32 numbers are the numbers that they are
    single = torch.tensor(share, dtype=torch.float32)
    assert box_around(size, single, torch.tensor(center)).tolist() == (
        by_loops(size, float(single), center))


def test_a_box_for_every_sample():
    rng = np.random.default_rng(0)
    shares, centers = rng.random(50), rng.integers(0, (37, 53), (50, 2))
    boxes = box_around((37, 53), torch.from_numpy(shares),
                       torch.from_numpy(centers))
    assert boxes.shape == (50, 4)
    for box, share, center in zip(boxes, shares, centers):
        assert box.tolist() == by_loops((37, 53), share, center)
    # one share, or one center, for all
    assert box_around((37, 53), .3, torch.from_numpy(centers)).equal(
        torch.stack([box_around((37, 53), .3, c) for c in centers]))
    assert box_around((37, 53), torch.from_numpy(shares), (4, 9)).equal(
        torch.stack([box_around((37, 53), s, (4, 9)) for s in shares]))


def test_the_first_of_equal_peaks():
    saliency = torch.zeros(3, 20, 30)
    for y, x in ((15, 2), (4, 25), (4, 27)):
        saliency[0, y, x] = .8
    saliency[1, 19, 29] = .1  # the third is constant
    boxes = saliency_box(saliency, .75)
    assert boxes.tolist() == [by_loops((20, 30), .25, center)
                              for center in ((4, 25), (19, 29), (0, 0))]
    assert saliency_box(saliency[0], .75).equal(boxes[0])
    lam = torch.tensor([0., .3, 1.], dtype=torch.float64)
    assert saliency_box(saliency, lam).equal(torch.stack([
        saliency_box(s, value) for s, value in zip(saliency, lam)]))


def test_share_is_the_number_of_pixels():
    boxes = torch.tensor([[0, 0, 7, 9], [2, 3, 5, 4], [4, 4, 4, 9]])
    images = torch.zeros(3, 2, 7, 9)
    pasted = paste_box(images, torch.ones_like(images), boxes)
    share = box_share(boxes, (7, 9))
    assert share.dtype == torch.float64
    counted = [(image == 1).sum().item() / (2 * 7 * 9) for image in pasted]
    assert share.tolist() == counted
    assert box_share(boxes[1], (7, 9)).equal(share[1])


def test_the_partner_is_inside():
    images, partner = torch.randn(2, 4, 3, 8, 11).double()
    before = images.clone()
    for box in ([1, 2, 6, 11], [0, 0, 8, 11], [3, 3, 3, 3]):
        expected = images.clone()
        y1, x1, y2, x2 = box
        expected[:, :, y1:y2, x1:x2] = partner[:, :, y1:y2, x1:x2]
        assert paste_box(images, partner, torch.tensor(box)).equal(expected)
    boxes = torch.tensor([[0, 0, 1, 1], [2, 0, 8, 3], [7, 10, 8, 11],
                          [5, 5, 5, 9]])
    assert paste_box(images, partner, boxes).equal(torch.cat([
        paste_box(a[None], b[None], box)
        for a, b, box in zip(images, partner, boxes)]))
    assert images.equal(before)


def test_misuse_is_said():
    images = torch.zeros(3, 1, 4, 4)
    with pytest.raises(ValueError, match=r'\(4, \) or \(3, 4\).*\(2, 4\)'):
        paste_box(images, images, torch.zeros(2, 4, dtype=torch.int64))
    with pytest.raises(ValueError, match='equal shape.*`partner`'):
        paste_box(images, images[:1], torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match='from 0 to 1, but got 1.5'):
        box_around((4, 4), 1.5, (0, 0))
    with pytest.raises(ValueError, match=r'\(B, 2\).*\(3,\)'):
        box_around((4, 4), .5, (0, 0, 0))
    with pytest.raises(ValueError, match=r'\(B, H, W\)'):
        saliency_box(torch.zeros(4), .5)


@pytest.mark.parametrize('lam', [-.1, 1.5])
def test_a_lambda_outside_its_range_is_refused(lam):
    with pytest.raises(ValueError, match=str(lam)):
        saliency_box(torch.zeros(4, 6), lam)
