"""StyleMix and StyleCutMix as batch augmentations, without weights."""
import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from mmpretrain.registry import BATCH_AUGMENTS
from torch import nn

from alignmix_mm.mixing import StyleCutMix, StyleMix
from alignmix_mm.mixing.draws import STEP_KEY, draws_of_step
from alignmix_mm.mixing.functional import (
    box_share,
    paste_box,
    style_cut_mix_images,
    style_mix_images,
)
from alignmix_mm.mixing.stylemix import StyleMixDraw


@pytest.fixture(autouse=True)
def first_step():
    MessageHub.get_current_instance().runtime_info.pop(STEP_KEY, None)


def encode(images):
    return 2 * images + 1


def decode(features):
    return (features - 1) / 2


def batch(samples=5):
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(samples, 3, 16, 16, generator=generator),
            torch.eye(samples))


def label(own, perm):
    """Labels of a batch whose labels are the unit vectors."""
    eye = torch.eye(len(perm))
    own = torch.as_tensor(own, dtype=torch.float32).reshape(-1, 1)
    return own * eye + (1 - own) * eye[perm]


def test_stylemix_mixes_what_it_draws():
    images, scores = batch()
    augment = StyleMix(encode, decode, size=32)
    draw = augment.choose(5, (16, 16), draws_of_step())
    MessageHub.get_current_instance().runtime_info.pop(STEP_KEY, None)
    mixed, labels = augment(images, scores)
    assert mixed.equal(style_mix_images(images, draw.perm, draw.rc, draw.rs,
                                        draw.t, encode, decode, 32))
    weight = .7 * draw.rc + .3 * draw.rs
    torch.testing.assert_close(labels, label(weight, draw.perm))
    assert labels.dtype == torch.float32 and mixed.dtype == images.dtype


def test_shares_are_beta_distributed_and_t_fits_them():
    augment = StyleMix(encode, decode)
    draws = [augment.choose(4, (8, 8), draws_of_step()) for _ in range(2000)]
    rc, rs, t = np.array([draw[1:] for draw in draws]).T
    for share in rc, rs:
        # 4 standard errors of the mean and of the variance of Beta(.5, .5)
        assert abs(share.mean() - .5) < .035
        assert abs(share.var() - 1 / 8) < .01
    low, high = np.maximum(0, rc + rs - 1), np.minimum(rc, rs)
    assert (low <= t).all() and (t <= high).all()
    place = (t - low) / np.maximum(high - low, 1e-9)
    assert abs(place[high - low > 1e-3].mean() - .5) < .03
    assert abs(np.corrcoef(rc, rs)[0, 1]) < .09


@pytest.mark.parametrize('size', [None, 32])
def test_stylecutmix_mixes_what_it_draws(size):
    images, scores = batch()
    augment = StyleCutMix(encode, decode, size=size, ratio=.6)
    draw = augment.choose(5, (16, 16), draws_of_step())
    MessageHub.get_current_instance().runtime_info.pop(STEP_KEY, None)
    mixed, labels = augment(images, scores)
    assert mixed.equal(style_cut_mix_images(
        images, draw.perm, draw.rs, draw.gamma, draw.box, encode, decode,
        size))
    side = size or 16
    y1, x1, y2, x2 = draw.box.tolist()
    assert 0 <= y1 <= y2 <= side and 0 <= x1 <= x2 <= side
    lam = (y2 - y1) * (x2 - x1) / side**2
    style = draw.gamma * lam + (1 - draw.gamma) * draw.rs
    torch.testing.assert_close(labels, label(.6 * lam + .4 * style,
                                             draw.perm))


def test_boxes_have_the_area_of_beta_before_they_are_clipped():
    augment = StyleCutMix(encode, decode, alpha=1., size=224)
    boxes = [augment.choose(4, (32, 32), draws_of_step()).box
             for _ in range(2000)]
    sizes = np.array([[y2 - y1, x2 - x1, y1 == 0 or y2 == 224
                       or x1 == 0 or x2 == 224]
                      for y1, x1, y2, x2 in map(torch.Tensor.tolist, boxes)])
    inside = sizes[sizes[:, 2] == 0]
    assert (inside[:, 0] == inside[:, 1]).all()
    # P(inside | side s) = (1 - s)^2 with s = sqrt(u): E[u | inside] = 1/5...
    # by integration: int u (1 - sqrt(u))^2 du / int (1 - sqrt(u))^2 du = 1/5
    share = (inside[:, 0] / 224)**2
    assert abs(share.mean() - .2) < .03


def test_distances_of_classes_say_gamma(tmp_path):
    images, scores = batch()
    distances = np.abs(np.subtract.outer(np.arange(5.), np.arange(5.)))
    np.save(tmp_path / 'D.npy', distances)
    kept = []
    for source in distances, tmp_path / 'D.npy':
        MessageHub.get_current_instance().runtime_info.pop(STEP_KEY, None)
        augment = StyleCutMix(encode, decode, size=None, distances=source,
                              delta=1.5)
        draw = augment.choose(5, (16, 16), draws_of_step())
        MessageHub.get_current_instance().runtime_info.pop(STEP_KEY, None)
        kept.append(augment(images, scores))
    perm = draw.perm.numpy()
    gap = np.abs(np.arange(5) - perm)
    gamma = np.tanh(np.where(gap == 0, 2, gap) / 1.5)
    expected = style_cut_mix_images(
        images, draw.perm, draw.rs, torch.from_numpy(gamma), draw.box, encode,
        decode, None)
    lam = box_share(draw.box, (16, 16)).item()
    own = .7 * lam + .3 * (gamma * lam + (1 - gamma) * draw.rs)
    for mixed, labels in kept:
        assert mixed.equal(expected)
        torch.testing.assert_close(labels, label(own, draw.perm))
    with pytest.raises(ValueError, match='of 4 classes, but got 5'):
        augment(images, scores[:, :4])
    with pytest.raises(FileNotFoundError, match='style-distances'):
        StyleCutMix(encode, decode, distances='no.npy', size=None)(images,
                                                                   scores)


def test_far_classes_are_cut_but_not_restyled():
    """gamma = tanh(large) = 1: CutMix."""
    images, scores = batch()
    augment = StyleCutMix(encode, decode, size=None,
                          distances=np.full((5, 5), 1e3))
    draw = augment.choose(5, (16, 16), draws_of_step())
    MessageHub.get_current_instance().runtime_info.pop(STEP_KEY, None)
    mixed, labels = augment(images, scores)
    torch.testing.assert_close(
        mixed, paste_box(images[draw.perm], images, draw.box))
    torch.testing.assert_close(
        labels, label(box_share(draw.box, (16, 16)), draw.perm))


@pytest.mark.parametrize('kind', [StyleMix, StyleCutMix])
def test_no_gradient_and_no_change_of_arguments(kind):
    images, scores = batch()
    network = nn.Conv2d(3, 3, 1).to(memory_format=torch.channels_last)
    before = images.clone()
    mixed, _ = kind(network, nn.Identity(), size=32)(images, scores)
    assert not mixed.requires_grad and images.equal(before)
    assert mixed.stride() == images.stride()


@pytest.mark.parametrize('kind', [StyleMix, StyleCutMix])
def test_mixed_precision_of_the_networks(kind):
    images, scores = batch()
    network = nn.Conv2d(3, 3, 1)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        mixed, _ = kind(network, nn.Identity(), size=32)(images, scores)
    MessageHub.get_current_instance().runtime_info.pop(STEP_KEY, None)
    full, _ = kind(network, nn.Identity(), size=32)(images, scores)
    assert mixed.dtype == torch.float32
    # 8 bits of numbers up to 4
    torch.testing.assert_close(mixed, full, rtol=0, atol=.05)


def test_weights_are_needed_for_the_first_batch_only():
    for kind in 'StyleMix', 'StyleCutMix':
        augment = BATCH_AUGMENTS.build(dict(
            type=kind, encoder='vgg_normalised.pth', decoder='decoder.pth'))
        with pytest.raises(FileNotFoundError, match='pytorch-AdaIN'):
            augment(*batch())


def test_encoder_may_see_values_from_0_to_1(monkeypatch):
    seen = []
    augment = StyleMix(lambda x: seen.append(x) or x, decode, size=None,
                       mean=(100., 100., 100.), std=(50., 50., 50.))
    images, scores = batch()
    augment(images, scores)
    torch.testing.assert_close(seen[0], (images * 50 + 100) / 255)
    # and what is decoded is normalized again
    augment = StyleMix(nn.Identity(), nn.Identity(), size=None,
                       mean=(100., 100., 100.), std=(50., 50., 50.))
    perm = torch.arange(5).flip(0)
    monkeypatch.setattr(augment, 'choose', lambda *_: StyleMixDraw(
        perm, 1., 1., 1.))
    torch.testing.assert_close(augment(images, scores)[0], images,
                               rtol=0, atol=1e-5)


def test_arguments_are_checked():
    for kind, options, match in (
            (StyleMix, dict(alpha=0.), '`alpha`'),
            (StyleMix, dict(ratio=1.2), '`ratio`'),
            (StyleMix, dict(size=30), 'multiple of 8'),
            (StyleMix, dict(size=8), 'at least 16'),
            (StyleCutMix, dict(gamma_alpha=-1.), '`gamma_alpha`'),
            (StyleCutMix, dict(delta=0.), '`delta`')):
        with pytest.raises(ValueError, match=match):
            kind(encode, decode, **options)
    with pytest.raises(ValueError, match='one-hot'):
        StyleMix(encode, decode)(torch.zeros(2, 3, 8, 8), torch.zeros(2))
