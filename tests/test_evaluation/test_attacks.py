"""Attacks against closed forms and gradients written by hand."""
import copy
import functools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from alignmix_mm.evaluation.functional import (
    projected_gradient_ascent,
    uniform_start,
)

SHAPE = (3, 3, 5, 7)
LABELS = torch.tensor([1, 2, 3])
fgsm = functools.partial(
    projected_gradient_ascent, eps=8., step=8., num_steps=1)
pgd = functools.partial(
    projected_gradient_ascent, eps=4., step=2., num_steps=20)


def photos(shape=SHAPE, dtype=torch.float32, low=0, high=256):
    """Images of 8 bits; some pixels are black or white."""
    images = torch.randint(low, high, shape).to(dtype)
    return (images * 1.2 - 25).round().clamp(low, high - 1)


class Waves:
    """A network whose gradient turns inside the ball, and that gradient."""

    def __init__(self):
        self.inner = torch.randn(3 * 5 * 7, 11).double() / 30
        self.outer = torch.randn(11, 5).double()

    def __call__(self, images):
        return (images.flatten(1) @ self.inner).sin() @ self.outer

    def gradient(self, x, labels):
        inner, outer = self.inner.numpy(), self.outer.numpy()
        hidden = x.reshape(len(x), -1) @ inner
        probs = np.exp(np.sin(hidden) @ outer)
        wrong = probs / probs.sum(1, keepdims=True) - np.eye(5)[labels]
        return ((wrong @ outer.T * np.cos(hidden)) @ inner.T).reshape(x.shape)


def linear(w):
    """Two classes, the second one favoured along `w`."""
    return lambda x: F.pad(x.flatten(1) @ w.reshape(-1, 1) / 1e3, (1, 0))


def small_network(dtype=torch.float64):
    norm = nn.BatchNorm2d(3)
    norm.running_mean.fill_(120)
    norm.running_var.fill_(900)
    return nn.Sequential(norm, nn.Conv2d(3, 6, 3), nn.Tanh(), nn.Flatten(),
                         nn.Linear(6 * 3 * 5, 4)).to(dtype).eval()


def test_gradients_that_are_not_finite_are_no_robustness():
    """The logits are finite, but the root has no derivative at 0."""
    def logits(x):
        return torch.stack([x.sum((1, 2, 3)).abs().sqrt(), x[:, 0, 0, 0]], 1)

    images = torch.stack([torch.zeros(3, 5, 7), torch.ones(3, 5, 7)])
    assert logits(images).isfinite().all()
    with pytest.raises(FloatingPointError, match='1 of 2 images'):
        fgsm(logits, images, torch.tensor([1, 1]))


@pytest.mark.parametrize('low, high', [(0., 255.), (20., 180.)])
@pytest.mark.parametrize('spread', [0, 4])
def test_trajectory_follows_the_formula(spread, low, high):
    net, x0 = Waves(), photos(dtype=torch.float64).clamp(low, high)
    start = (x0 + spread * (2 * torch.rand_like(x0) - 1)).clamp(low, high)
    expected = [start.numpy()]
    for _ in range(20):
        x = expected[-1] + 2 * np.sign(net.gradient(expected[-1], LABELS))
        x = x0.numpy() + np.clip(x - x0.numpy(), -4, 4)
        expected.append(np.clip(x, low, high))
    for num_steps in (0, 1, 2, 20):
        seen = []
        seen.append(pgd(lambda x, seen=seen: seen.append(x) or net(x), x0,
                        LABELS, num_steps=num_steps, bounds=(low, high),
                        start=start if spread else None))
        assert len(seen) == num_steps + 1
        for x, there in zip(seen, expected):
            # signs agree: gradients are far above rounding; 255 * 2^-52
            np.testing.assert_allclose(x.detach(), there, rtol=0, atol=1e-11)


@pytest.mark.parametrize('label', [0, 1])
def test_one_step_on_a_linear_model_is_away_from_the_true_class(label):
    w, x0 = torch.randn(SHAPE[1:]), photos()
    # whichever class is predicted: one of the labels is the other one
    away = w.sign() * (1 - 2 * label)
    result = fgsm(linear(w), x0, torch.full((3, ), label))
    assert torch.equal(result, (x0 + 8 * away).clamp(0, 255))


def test_one_step_on_8_bit_images_is_integer_arithmetic():
    x0 = photos()
    result = fgsm(small_network(torch.float32), x0, LABELS)
    assert result.dtype == torch.float32 and result.equal(result.round())
    assert (result - x0).abs().max() == 8
    assert (result.min(), result.max()) == (0, 255)  # clipped


@pytest.mark.parametrize('eps', [.5, 8., 300.])
def test_loss_of_a_linear_model_never_falls(eps):
    model, x0 = linear(torch.randn(SHAPE[1:])), photos()
    labels = torch.tensor([0, 1, 1])
    attacked = fgsm(model, x0, labels, eps=eps, step=eps)
    before, after = (F.cross_entropy(model(x), labels, reduction='none')
                     for x in (x0, attacked))
    assert (after > before).all()


def test_pixels_that_do_not_matter_stay():
    w = torch.randn(SHAPE[1:])
    w[:, ::2] = 0
    x0, labels = photos(low=20, high=200), torch.tensor([0, 1, 0])
    for attack in (fgsm, pgd):
        moved = attack(linear(w), x0, labels) != x0
        assert torch.equal(moved, (w != 0).expand(SHAPE))


def test_a_saturated_network_moves_nothing():
    x0 = photos(low=20)
    model, labels = linear(torch.full(SHAPE[1:], 1e3)), torch.ones(3).long()
    assert torch.equal(pgd(model, x0, labels), x0)  # p = 1 exactly


def test_ball_is_around_the_image_not_around_the_start():
    w, x0 = torch.randn(SHAPE[1:]), photos(low=20, high=200)
    labels, end = torch.zeros(3).long(), x0 + 4 * w.sign()
    for start in (end, x0, x0 - 4 * w.sign(), x0 + 50, x0 - 300):
        assert torch.equal(pgd(linear(w), x0, labels, start=start), end)


def test_network_and_inputs_are_left_alone():
    network, x0 = small_network(), photos(dtype=torch.float64)
    network[1].requires_grad_(False)
    flags = [p.requires_grad for p in network.parameters()]
    before, start = copy.deepcopy(network.state_dict()), x0 + 1
    images, given = x0.clone().requires_grad_(), start.clone()
    result = pgd(network, images, LABELS, start=given)
    assert not result.requires_grad and not given.requires_grad
    assert [p.requires_grad for p in network.parameters()] == flags
    assert all(p.grad is None for p in [*network.parameters(), images])
    assert torch.equal(images, x0) and torch.equal(given, start)
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_gradients_are_switched_on_for_it_alone():
    network, x0 = small_network(), photos(dtype=torch.float64)
    expected = pgd(network, x0, LABELS)
    with torch.no_grad():
        assert torch.equal(pgd(network, x0, LABELS), expected)
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        with pytest.raises(RuntimeError, match=r'inference.*no_grad\(\)'):
            pgd(network, x0, LABELS)
        kept = x0.clone()
    with pytest.raises(RuntimeError, match=r'inference.*no_grad\(\)'):
        pgd(network, kept, LABELS)


def test_autocast_does_not_touch_it():
    network, x0, seen = small_network(torch.float32), photos(), set()
    network.register_forward_hook(lambda *args: seen.add(args[-1].dtype))
    expected = pgd(network, x0, LABELS)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(pgd(network, x0, LABELS), expected)
        assert torch.is_autocast_enabled('cpu')
    assert seen == {torch.float32}


def test_batches_do_not_matter():
    network, x0 = small_network(), photos((7, 3, 5, 7), torch.float64)
    labels = torch.randint(4, (7, ))
    parts = [pgd(network, x, y) for x, y in zip(x0.split(3), labels.split(3))]
    # convolutions of other sizes round otherwise, far below a step
    torch.testing.assert_close(pgd(network, x0, labels), torch.cat(parts),
                               atol=1e-9, rtol=0)


def test_small_gradients_survive_a_large_batch():
    # 6e-6 is a number in half precision, its mean over 400 images is 0
    x0 = torch.full((400, 1, 1, 1), 12.).half()
    result = fgsm(lambda x: F.pad(x.float().flatten(1), (1, 0)), x0,
                  torch.ones(400).long())
    assert result.dtype == torch.float16 and (result == 4).all()


@pytest.mark.parametrize('attack, name, options', [
    (fgsm, 'FGSM', dict(eps=8 / 255)),
    (pgd, 'PGD', dict(eps=4 / 255, alpha=2 / 255, steps=20,
                      random_start=False))])
def test_agrees_with_torchattacks(attack, name, options):
    reference = getattr(pytest.importorskip('torchattacks'), name)
    network, x0 = small_network(), photos(dtype=torch.float64)
    expected = attack(network, x0, LABELS)
    network.register_forward_pre_hook(lambda _, args: args[0] * 255)
    result = reference(network, **options)(x0 / 255, LABELS) * 255
    # scaling rounds by 1e-13
    torch.testing.assert_close(result, expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize('change, message', [
    (dict(images=torch.zeros(SHAPE).byte()), 'floating point.*uint8'),
    (dict(labels=torch.zeros(2).long()), r'shape \(3, \).*but got \(2,\)'),
    (dict(labels=torch.zeros(3, 2).long()), r'shape \(3, \)'),
    (dict(labels=torch.zeros(3)), 'int64.*float32'),
    (dict(labels=torch.full((3, ), -100)), 'without a class'),
    (dict(eps=-1.), '>= 0.*-1.0'), (dict(step=-2.), '>= 0.*-2.0'),
    (dict(num_steps=-3), '>= 0.*-3'), (dict(eps=float('nan')), '>= 0.*nan')])
def test_arguments_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        pgd(Waves(), **{'images': photos(), 'labels': LABELS, **change})


def seeded(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.mark.parametrize('bounds', [(0., 255.), (30., 200.)])
def test_start_is_inside_the_ball_and_the_bounds(bounds):
    x0 = photos().clamp(*bounds)
    before = x0.clone()
    start = uniform_start(x0, 4., seeded(0, 1, 2), bounds)
    assert torch.equal(x0, before)
    assert start.dtype == x0.dtype and start.shape == x0.shape
    assert (start - x0).abs().max() <= 4 + 1e-5  # 255 rounds by 2^-17
    assert (start.min(), start.max()) == bounds


def test_start_is_uniform():
    x0 = torch.full((4, 3, 17, 19), 100.)
    noise = (uniform_start(x0, 4., seeded(0, 1, 2, 3)) - 100).double()
    # five standard errors of 3876 values
    assert abs(noise.mean()) < 5 * 4 / (3 * 3876)**.5
    assert noise.square().mean() == pytest.approx(16 / 3, rel=.08)
    assert noise.min() < -3.98 and noise.max() > 3.98


def test_start_of_an_image_depends_on_its_generator_alone():
    x0, state = photos((5, 3, 5, 7)), torch.get_rng_state()
    together = uniform_start(x0, 4., seeded(0, 1, 2, 3, 4))
    some = uniform_start(x0[[3, 1]], 4., seeded(3, 1))
    assert torch.equal(some, together[[3, 1]])
    assert not torch.equal(*uniform_start(x0[[0, 0]], 4., seeded(0, 1)))
    assert torch.equal(torch.get_rng_state(), state)  # nothing global drawn


@pytest.mark.parametrize('count', [0, 2, 4])
def test_every_image_needs_a_generator(count):
    with pytest.raises(ValueError, match=f'3 generators.* but got {count}'):
        uniform_start(photos(), 4., seeded(*range(count)))
