"""Fine-grained saliency against OpenCV's record, loops and scipy."""
import numpy as np
import pytest
import torch
from conftest import ROOT
from scipy import ndimage

from alignmix_mm.mixing.functional import denormalize, fine_grained_saliency
from alignmix_mm.mixing.functional.misread import misread_saliency
from alignmix_mm.mixing.functional.saliency import RADII, combine

SIZES = [(1, 1), (1, 9), (7, 1), (2, 2), (3, 5), (13, 12), (25, 49), (33, 31)]


@pytest.fixture(scope='module')
def record():
    """See tests/opencv_saliency.py."""
    with np.load(ROOT / 'tests/data/opencv_saliency.npz') as file:
        return dict(file)


def to_tensor(image):
    """``(H, W, 3)`` or ``(H, W)`` to a batch of one."""
    image = torch.from_numpy(image)
    return image[None, None] if image.ndim == 2 else image.permute(2, 0, 1)[
        None]


def integers(*shape, high=256, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, high, shape, generator=generator,
                         dtype=torch.uint8)


def test_equals_opencv_to_the_last_bit(record):
    names = [name for name in record if name.startswith('image')]
    assert len(names) == 28
    for name in names:
        found = fine_grained_saliency(to_tensor(record[name]), 'bgr')
        levels = record[name.replace('image', 'levels')]
        assert found.dtype == torch.float32
        # OpenCV multiplies by 1/255 in float32
        expected = levels.astype(np.float32) * np.float32(1 / 255)
        assert (found[0].numpy() == expected).all(), name


def test_misread_memory_equals_opencv(record):
    names = [name for name in record if name.startswith('misread')]
    assert len(names) == 13
    mean, std = (np.float32(values) for values in (
        (125.3, 123.0, 113.9), (63.0, 62.1, 66.7)))
    for name in names:
        rgb = record[name.replace('misread', 'image')][..., ::-1]
        found = misread_saliency(to_tensor(
            (rgb.astype(np.float32) - mean) / std))
        expected = record[name].astype(np.float32) * np.float32(1 / 255)
        assert (found[0].numpy() == expected).all(), name


def by_loops(image):
    """The definition, pixel by pixel, in integers."""
    red, green, blue = image.astype(int)
    gray = (9798 * red + 19235 * green + 3735 * blue + 2**14) >> 15
    height, width = gray.shape
    for _ in range(2):
        padded = np.array([[gray[mirror(y, height), mirror(x, width)]
                            for x in range(-1, width + 1)]
                           for y in range(-1, height + 1)])
        blurred = sum(weight * padded[dy:dy + height, dx:dx + width]
                      for dy, row in enumerate(((1, 2, 1), (2, 4, 2),
                                                (1, 2, 1)))
                      for dx, weight in enumerate(row))
        gray = (blurred + 8) >> 4
    on, off = np.zeros_like(gray), np.zeros_like(gray)
    for y in range(height):
        for x in range(width):
            for radius in (12, 24, 48, 28, 56, 112):
                window = gray[max(y - radius + 1, 0):y + radius + 1,
                              max(x - radius + 1, 0):x + radius + 1]
                others = window.size - 1
                lead = gray[y, x] * others - (window.sum() - gray[y, x])
                on[y, x] += max(lead, 0) // others
                off[y, x] += max(-lead, 0) // others
    on, off = (255 * side // max(side.max(), 1) for side in (on, off))
    peak = max(on.max(), off.max(), 1)
    return np.minimum(255 * (on + off) // peak, 255)


def mirror(index, size):
    if size == 1:
        return 0
    period = 2 * (size - 1)
    return min(index % period, -index % period)


@pytest.mark.parametrize('size', [s for s in SIZES if s != (1, 1)], ids=str)
def test_equals_windows_by_loops(size):
    image = integers(1, 3, *size)
    found = (fine_grained_saliency(image)[0] * 255).round().int().numpy()
    assert (found == by_loops(image[0].numpy())).all()


def test_window_sums_equal_uniform_filters():
    """scipy's mean of a window of zeros beyond the border, times its size."""
    from alignmix_mm.mixing.functional.saliency import windows
    values = integers(2, 40, 57).int()
    seen = 0
    for times, window, others in windows(values, torch.int64):
        radius = sorted(min(radius, 57) for radius in RADII)[seen]
        seen += times
        # [x - R + 1, x + R] has its centre half a pixel further on
        options = dict(size=2 * radius, mode='constant', origin=-1)
        for image, sums in zip(values.double().numpy(), window.numpy()):
            mean = ndimage.uniform_filter(image, **options)
            np.testing.assert_allclose(
                sums, mean * 4 * radius**2, atol=1e-6)  # sums up to 6e5
        count = ndimage.uniform_filter(np.ones((40, 57)), **options)
        np.testing.assert_allclose(others.numpy(),
                                   count * 4 * radius**2 - 1, atol=1e-6)
    assert seen == len(RADII)


@pytest.mark.slow
def test_sums_do_not_overflow():
    """An image whose values sum to 2^31 and more is still exact."""
    from alignmix_mm.mixing.functional.saliency import _on_off
    size = 2910
    gray = torch.full((1, size, size), 255, dtype=torch.int32)
    assert 255 * size**2 > 2**31
    gray[0, -1, -1] = 254
    on, off = _on_off(gray[..., -300:, -300:])
    whole = _on_off(gray)
    assert (whole[0][..., -150:, -150:] == on[..., -150:, -150:]).all()
    assert (whole[1][..., -150:, -150:] == off[..., -150:, -150:]).all()
    assert whole[0].sum() == 0 and off.sum() == off[0, -1, -1]


def test_images_of_a_batch_do_not_matter_to_each_other():
    images = integers(5, 3, 17, 30)
    images[3] = 9
    both = fine_grained_saliency(images)
    assert both.shape == (5, 17, 30)
    for image, saliency in zip(images, both):
        assert (fine_grained_saliency(image[None])[0] == saliency).all()
    assert not both[3].any()


@pytest.mark.parametrize('size', SIZES, ids=str)
@pytest.mark.parametrize('value', [0, 77, 255])
def test_constant_images_have_none(size, value):
    images = torch.full((2, 3, *size), value, dtype=torch.uint8)
    saliency = fine_grained_saliency(images)
    assert saliency.shape == (2, *size) and not saliency.any()


def test_orders_of_channels():
    images = integers(2, 3, 15, 14)
    rgb = fine_grained_saliency(images)
    assert (fine_grained_saliency(images.flip(1), 'bgr') == rgb).all()
    assert (fine_grained_saliency(images, 'bgr') != rgb).any()
    # gray is gray in any order, and the weights sum to 2^15
    gray = integers(2, 1, 15, 14)
    for order in 'rgb', 'bgr':
        assert (fine_grained_saliency(gray.expand(-1, 3, -1, -1), order)
                == fine_grained_saliency(gray)).all()


def test_brightest_point_is_the_most_salient():
    image = torch.zeros(1, 1, 40, 61, dtype=torch.uint8)
    image[..., 17, 33] = 255
    saliency = fine_grained_saliency(image)
    assert saliency[0, 17, 33] == saliency.max() == 1
    assert (saliency == 1).sum() == 1


def test_what_is_bright_and_dark_is_saturated():
    """OpenCV converts 261 to 8 bits, which C++ leaves undefined."""
    image = torch.full((1, 1, 120, 120), 255, dtype=torch.uint8)
    image[..., 37:83, 37:83] = 0  # near the centre: it is brighter
    image[..., 57:63, 57:63] = 195  # far from it: it is darker
    saliency = fine_grained_saliency(image)[0]
    assert saliency[59, 59] == saliency.max() == 1
    on, off = torch.tensor([[[10, 9]], [[0, 10]]], dtype=torch.int32)
    assert (combine(on[None], off[None]) * 255).tolist() == [[[255, 255]]]


def test_arguments_stay_as_they_are():
    images = integers(2, 3, 14, 15)
    before = images.clone()
    fine_grained_saliency(images)
    assert (images == before).all()
    # a view with other strides is the same image
    last = before.contiguous(memory_format=torch.channels_last)
    assert (fine_grained_saliency(last) == fine_grained_saliency(images)
            ).all()


def test_misuse_is_said():
    with pytest.raises(TypeError, match='uint8.*float32.*denormalize'):
        fine_grained_saliency(torch.rand(1, 3, 8, 8))
    for shape in (3, 8, 8), (1, 2, 8, 8), (1, 3, 0, 8):
        with pytest.raises(ValueError, match=r'\(B, 1 or 3, H, W\)'):
            fine_grained_saliency(integers(*shape))
    with pytest.raises(ValueError, match="'rgb', 'bgr'.*'gbr'"):
        fine_grained_saliency(integers(1, 3, 8, 8), 'gbr')
    with pytest.raises(ValueError, match='at least 2 pixels'):
        misread_saliency(torch.rand(1, 3, 1, 1))


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_denormalize_undoes_normalization(dtype):
    pixels = integers(2, 3, 11, 9)
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    column = [torch.tensor(v, dtype=dtype)[:, None, None]
              for v in (mean, std)]
    normal = (pixels.to(dtype) - column[0]) / column[1]
    assert denormalize(normal, mean, std).equal(pixels)
    assert denormalize(normal, *column).equal(pixels)
    assert denormalize(normal[0], mean, std).equal(pixels[0])


def test_denormalize_rounds_and_clamps():
    values = torch.tensor([-9., -.6, .4, .6, 254.4, 255.6, 300.])
    images = values.reshape(1, 1, 1, -1)
    expected = [0, 0, 0, 1, 254, 255, 255]
    assert denormalize(images, 0., 1.).flatten().tolist() == expected
    assert denormalize(images / 2, 0., [2.]).flatten().tolist() == expected
    # bfloat16 has 8 bits, which a pixel takes alone
    half = torch.full((1, 1, 1, 1), 1., dtype=torch.bfloat16)
    assert denormalize(half, 103.53, 57.375).tolist() == [[[[161]]]]
    with pytest.raises(ValueError, match='`mean`.*3 channels.*got 2'):
        denormalize(torch.zeros(1, 3, 2, 2), (1., 2.), (1., 2.))
