"""StyleMix and StyleCutMix from their formulas, in float64."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from alignmix_mm.mixing.functional import (
    adain,
    box_share,
    paste_box,
    soft_label_weight,
    style_cut_mix,
    style_cut_mix_images,
    style_mix_features,
    style_mix_images,
    style_mix_range,
)

TOLERANCE = dict(rtol=0, atol=1e-12)  # float64, numbers around 1


def features(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def adain_by_loops(content, style, eps=1e-5):
    result = np.empty(content.shape)
    for n, sample in enumerate(content.numpy()):
        for c, x in enumerate(sample):
            y = style[n, c].numpy()
            normal = (x - x.mean()) / np.sqrt(x.var(ddof=1) + eps)
            result[n, c] = normal * np.sqrt(y.var(ddof=1) + eps) + y.mean()
    return torch.from_numpy(result)


@pytest.mark.parametrize('shape, style_shape', [
    ((2, 3, 5, 4), (2, 3, 5, 4)), ((1, 2, 1, 2), (1, 2, 7, 3))])
def test_adain_by_loops(shape, style_shape):
    content, style = features(*shape), 3 * features(*style_shape, seed=1) + 2
    torch.testing.assert_close(
        adain(content, style), adain_by_loops(content, style), **TOLERANCE)
    torch.testing.assert_close(adain(content, style, .5), adain_by_loops(
        content, style, .5), **TOLERANCE)


def test_adain_closed_forms():
    content, style = features(2, 3, 6, 5), features(2, 3, 6, 5, seed=1)
    torch.testing.assert_close(adain(content, content), content, **TOLERANCE)
    # scale and shift of the content do not matter, but for eps
    torch.testing.assert_close(adain(9 * content - 4, style, 1e-15),
                               adain(content, style, 1e-15), **TOLERANCE)
    flat = torch.full_like(style, .25)  # no deviation but that of eps
    assert (adain(flat, style) - style.mean((2, 3), True)).abs().max() < 1e-12


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow(dtype):
    content = (features(1, 2, 8, 8) * 1000).to(dtype)
    result = adain(content, content)
    assert result.dtype == dtype
    # one rounding of numbers up to 4000
    assert (result - content).abs().max() <= 4000 * torch.finfo(dtype).eps


def test_a_single_position_has_no_variance():
    pair = features(2, 3, 4, 4), features(2, 3, 1, 1)
    for content, style in (pair, pair[::-1]):
        with pytest.raises(ValueError, match='two positions'):
            adain(content, style)
    with pytest.raises(ValueError, match=r'content and style.*\(2, 3\)'):
        adain(pair[0], pair[0][:, :1])


def test_range_of_t():
    for rc, rs, low, high in ((.3, .4, 0., .3), (.8, .7, .5, .7), (1, 1, 1, 1),
                              (0., 1., 0., 0.)):
        assert style_mix_range(rc, rs) == pytest.approx((low, high))
        for pair in ((torch.tensor(rc), rs), (rc, torch.tensor(rs)),
                     (torch.tensor([rc]), torch.tensor([rs]))):
            found = [bound.item() for bound in style_mix_range(*pair)]
            assert found == pytest.approx((low, high))


def test_features_by_the_formula():
    a, b = features(3, 4, 5, 2), features(3, 4, 5, 2, seed=1)
    rc, rs, t = .6, .7, .4
    expected = (t * a + (1 - rc - rs + t) * b
                + (rc - t) * adain_by_loops(a, b)
                + (rs - t) * adain_by_loops(b, a))
    torch.testing.assert_close(
        style_mix_features(a, b, rc, rs, t), expected, **TOLERANCE)


def test_numbers_of_each_sample():
    a, b = features(3, 4, 5, 2), features(3, 4, 5, 2, seed=1)
    rc, rs, t = torch.tensor([[.6, .2, 1.], [.7, .9, 1.], [.4, .15, 1.]],
                             dtype=torch.float64)
    mixed = style_mix_features(a, b, rc, rs, t)
    for n in range(3):
        torch.testing.assert_close(
            mixed[n:n + 1], style_mix_features(
                a[n:n + 1], b[n:n + 1], *(float(v[n]) for v in (rc, rs, t))),
            **TOLERANCE)
    with pytest.raises(ValueError, match='`rs`.*3 samples.*(2,)'):
        style_mix_features(a, b, rc, rs[:2], t)
    with pytest.raises(ValueError, match='equal shape'):
        style_mix_features(a, b[:2], rc, rs, t)


def test_corners_of_the_shares():
    a, b = features(2, 4, 5, 3), features(2, 4, 5, 3, seed=1)
    for (rc, rs, t), expected in (((1, 1, 1), a), ((0, 0, 0), b),
                                  ((1, 0, 0), adain_by_loops(a, b)),
                                  ((0, 1, 0), adain_by_loops(b, a))):
        torch.testing.assert_close(
            style_mix_features(a, b, rc, rs, t), expected, **TOLERANCE)


def test_weight_of_the_own_label():
    assert soft_label_weight(.5, .2) == pytest.approx(.7 * .5 + .3 * .2)
    assert soft_label_weight(.5, .2, 1.) == .5
    weights = soft_label_weight(torch.tensor([.5, 1.]), .2, .25)
    torch.testing.assert_close(weights, torch.tensor([.275, .4]))


BOX = torch.tensor([1, 0, 4, 6])


def test_pixels_of_style_cut_mix():
    x1, x2, s1, s2 = (features(2, 3, 5, 7, seed=n) for n in range(4))
    rs, gamma = .3, torch.tensor([.2, .9], dtype=torch.float64)
    mixed = style_cut_mix(x1, x2, s1, s2, rs, gamma, BOX)
    for n, c, y, x in np.ndindex(2, 3, 5, 7):
        g = float(gamma[n])
        at = n, c, y, x
        if 1 <= y < 4 and x < 6:
            own = g * x1[at] + (1 - g) * s1[at]
            expected = rs * x1[at] + (1 - rs) * own
        else:
            other = g * x2[at] + (1 - g) * s2[at]
            expected = (1 - rs) * x2[at] + rs * other
        assert abs(mixed[at] - expected) < 1e-12
    with pytest.raises(ValueError, match='`stylized`'):
        style_cut_mix(x1, x2, s1[..., :5], s2, rs, gamma, BOX)


def test_gamma_of_one_is_cutmix():
    """Own pixels inside, the partner's outside, and the label's area."""
    x1, x2, s1, s2 = (features(2, 3, 5, 7, seed=n) for n in range(4))
    mixed = style_cut_mix(x1, x2, s1, s2, .37, 1., BOX)
    torch.testing.assert_close(mixed, paste_box(x2, x1, BOX), **TOLERANCE)
    lam = box_share(BOX, (5, 7))
    assert lam == 3 * 6 / 35
    weight = soft_label_weight(lam, 1. * lam + (1 - 1.) * .37)
    assert abs(weight - lam) < 1e-15


class Counter:
    """A stand-in network that counts its calls."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, x):
        self.calls += 1
        return self.function(x)


def up(x, size):
    return F.interpolate(x, (size, size), mode='bilinear',
                         align_corners=False)


def test_images_of_stylemix():
    images, perm = features(3, 3, 8, 6), torch.tensor([2, 0, 1])
    encoder = Counter(lambda x: 2 * x + 1)
    decoder = Counter(lambda f: (f - 1) / 2)
    numbers = .6, .7, .4
    mixed = style_mix_images(images, perm, *numbers, encoder, decoder, 16)
    assert encoder.calls == decoder.calls == 1
    large = 2 * up(images, 16) + 1
    expected = (style_mix_features(large, large[perm], *numbers) - 1) / 2
    torch.testing.assert_close(
        mixed, F.interpolate(expected, (8, 6), mode='bilinear'), **TOLERANCE)
    direct = style_mix_images(images, perm, *numbers, encoder, decoder, None)
    small = 2 * images + 1
    torch.testing.assert_close(
        direct, (style_mix_features(small, small[perm], *numbers) - 1) / 2,
        **TOLERANCE)


def test_shares_of_one_are_the_identity():
    """7 is odd: what was made large has the old pixels at its centres."""
    images, perm = features(3, 3, 8, 8), torch.tensor([2, 0, 1])
    for size in 56, None:
        mixed = style_mix_images(images, perm, 1., 1., 1., lambda x: x,
                                 lambda f: f, size)
        torch.testing.assert_close(mixed, images, **TOLERANCE)


def test_images_of_stylecutmix():
    images, perm = features(3, 3, 8, 8), torch.tensor([2, 0, 1])
    encoder, decoder = Counter(lambda x: 2 * x), Counter(lambda f: f / 2)
    box = torch.tensor([3, 5, 13, 16])  # in pixels of the large images
    gamma = torch.tensor([.2, .5, .9], dtype=torch.float64)
    mixed = style_cut_mix_images(images, perm, .3, gamma, box, encoder,
                                 decoder, 16)
    assert encoder.calls == 1
    large = up(images, 16)
    stylized = adain_by_loops(2 * large, 2 * large[perm]) / 2
    partner = adain_by_loops(2 * large[perm], 2 * large) / 2
    expected = style_cut_mix(large, large[perm], stylized, partner, .3, gamma,
                             box)
    torch.testing.assert_close(mixed, up(expected, 8), **TOLERANCE)


def test_a_size_that_the_networks_change_is_said():
    images, perm = features(2, 3, 9, 9), torch.tensor([1, 0])
    with pytest.raises(ValueError, match=r'\(9, 9\).*\(18, 18\).*multiple'):
        style_cut_mix_images(images, perm, .5, .5, BOX, lambda x: x,
                             lambda f: up(f, 18), None)


def test_images_keep_their_dtype_and_stay_as_they_are():
    images, perm = features(2, 3, 8, 8).float(), torch.tensor([1, 0])
    before = images.clone()
    for mixed in (
            style_mix_images(images, perm, .5, .5, .25, torch.Tensor.half,
                             lambda f: f, 16),
            style_cut_mix_images(images, perm, .5, .5, BOX, torch.Tensor.half,
                                 lambda f: f, 16)):
        assert mixed.dtype == torch.float32 and mixed.shape == images.shape
    assert images.equal(before)


@pytest.mark.parametrize('dtype', [None, torch.float32, torch.float64])
def test_the_range_is_never_inverted(dtype):
    """Rounding of rc + rs - 1 where one of them is 1, or nearly."""
    numbers = np.random.default_rng(0)
    for _ in range(300):
        pair = [1 - numbers.choice([0, 1e-17, 1e-8, 1e-7]), numbers.random()]
        if dtype is not None:
            pair = [torch.tensor([value], dtype=dtype) for value in pair]
        low, high = style_mix_range(*pair)
        assert 0 <= low <= high <= 1


def test_a_decoder_that_changes_the_size_is_named():
    images = torch.rand(2, 3, 28, 28)
    with pytest.raises(ValueError, match=r'\(28, 28\) pixels into \(27, 28\)'):
        style_mix_images(images, torch.tensor([1, 0]), .5, .5, .3,
                         lambda x: x, lambda x: x[..., 1:, :], None)


def test_integers_are_refused():
    """Numbers below 1 would become 0."""
    images = torch.full((2, 3, 4, 4), 100, dtype=torch.uint8)
    with pytest.raises(ValueError, match='uint8'):
        style_cut_mix(images, images, images, images, torch.tensor(.5),
                      torch.tensor(.5), torch.tensor([0, 0, 2, 2]))
