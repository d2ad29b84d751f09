"""PuzzleMix as a method: what is drawn, and that it is what was mixed."""
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmpretrain.registry import BATCH_AUGMENTS, MODELS
from mmpretrain.structures import DataSample

from alignmix_mm.mixing import MixBatch, PendingPlan, PuzzleMix
from alignmix_mm.mixing.draws import Draws
from alignmix_mm.mixing.functional import (
    puzzle_costs,
    puzzle_masks,
    puzzle_mix,
)

MEAN, STD = [120., 110., 100.], [60., 50., 70.]


def draws(seed=0):
    return Draws(np.random.default_rng(seed), np.random.default_rng(seed + 1))


def method(**options):
    return PuzzleMix(**{'mean': MEAN, 'std': STD, **options})


def normalized(pixels):
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (MEAN, STD))
    return (pixels * 255 - mean) / std


@pytest.fixture
def images():
    return normalized(torch.rand(5, 3, 32, 32))


@pytest.mark.parametrize('transport', [True, False])
def test_images_and_labels_are_those_of_the_functions(images, transport):
    aug = method(blocks=8, t_size=2, transport=transport)
    pending = aug.plan(images, None, draws())
    assert isinstance(pending, PendingPlan) and pending.clean_weight == 0
    assert pending.images is images
    gradient = torch.randn_like(images)
    plan = pending.complete(gradient)
    own = draws().own
    lam, perm = own.beta(1, 1), torch.from_numpy(own.permutation(5))
    saliency = (gradient**2).mean(1)**.5
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (MEAN, STD))
    masks = puzzle_masks(*puzzle_costs(
        (images * std + mean) / 255, saliency, perm, lam, 8))
    mixed, weight = puzzle_mix(images, perm, masks,
                               saliency if transport else None, t_size=2)
    torch.testing.assert_close(plan.mix_images(images), mixed)
    scores = torch.eye(5)
    expected = weight[:, None] * scores + (1 - weight)[:, None] * scores[perm]
    torch.testing.assert_close(plan.mix_labels(scores), expected)
    again = pending.complete(gradient)  # nothing is drawn in it
    assert torch.equal(again.mix_images(images), plan.mix_images(images))


def test_the_grid_is_drawn_alike_on_all_ranks(images):
    sizes = []
    for n in range(200):
        shared = np.random.default_rng(n)
        sizes.append(method()._draw(
            images, Draws(shared, np.random.default_rng(7))).blocks)
    # 4 standard deviations of a binomial
    assert all(abs(sizes.count(n) - 50) < 4 * 37.5**.5 for n in (2, 4, 8, 16))


def test_noise_is_that_of_the_definition(images):
    """Both noisy: |noise| <= eps, the gradient at noisy images, pixels."""
    aug = method(adv_p=1., adv_eps=10., transport=False, blocks=2)
    pending = aug.plan(images, None, draws())
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (MEAN, STD))

    def pixels(x):
        return (x * std + mean) / 255

    start = pixels(pending.images) - pixels(images)
    assert 0 < start.abs().max() <= 10 / 255 + 1e-6
    assert pixels(pending.images).min() >= -1e-6
    gradient = torch.randn_like(images)
    plan = pending.complete(gradient)
    drawn = aug._draw(images, draws())
    step = (start + 12 / 255 * gradient.sign()).clamp(-10 / 255, 10 / 255)
    noisy = (pixels(images) + drawn.noise_weight * step).clamp(0, 1)
    assert 0 < drawn.noise_weight < 1
    saliency = (gradient**2).mean(1)**.5
    masks = puzzle_masks(*puzzle_costs(  # of clean pixels
        pixels(images), saliency, drawn.perm, drawn.lam, 2))
    mixed, _ = puzzle_mix(normalized(noisy), drawn.perm, masks)
    # what the clamps at 0 and 1 leave of float32's rounding
    torch.testing.assert_close(plan.mix_images(images), mixed, atol=1e-4,
                               rtol=1e-4)


@pytest.mark.parametrize('noisy', [(True, False), (False, True)])
def test_noise_is_on_own_images_or_partners(images, noisy):
    aug = method(adv_p=.5, transport=False, blocks=2)
    seed = next(n for n in range(99)  # with masks that show both images
                if aug._draw(images, draws(n)).noisy == noisy
                and .3 < aug._draw(images, draws(n)).lam < .7)
    drawn = aug._draw(images, draws(seed))
    gradient = torch.randn_like(images)
    plan = aug.plan(images, None, draws(seed)).complete(gradient)
    mixed = plan.mix_images(images)
    quiet = method(transport=False, blocks=2)
    plain = quiet._complete(
        images, replace(drawn, noise=None, noisy=(False, False)),
        gradient).mix_images(images)
    changed = (mixed - plain).abs().amax(1) > 1e-3
    masks = puzzle_masks(*puzzle_costs(
        aug.scale.to_unit(images), (gradient**2).mean(1)**.5, drawn.perm,
        drawn.lam, 2))
    seen = masks.repeat_interleave(16, 1).repeat_interleave(16, 2)
    only = seen == (0 if noisy[0] else 1)  # the quiet image alone
    assert changed.any() and not changed[only].any()


@pytest.mark.parametrize('size, options, message', [
    ((32, 30), {}, '32x30'),
    ((224, 224), {}, '224x224. Valid sides nearby: 192 or 256'),
    ((30, 30), dict(blocks=4), 'Valid sides nearby: 16 or 32'),
    ((24, 24), dict(blocks=4, t_size=4), 't_size=4'),
])
def test_sizes_that_cannot_be_are_refused_with_what_would_do(
        size, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        method(**options).plan(torch.zeros(4, 3, *size), None, draws())


def test_cells_of_two_fit_imagenet():
    aug = method(neigh_size=2)
    plan = aug.plan(torch.zeros(2, 3, 224, 224), None, draws())
    assert plan.tag == 'puzzlemix'


@pytest.mark.parametrize('options', [
    dict(seed=-1), dict(mean=[0.] * 3, std=[1., 0., 1.]),
    dict(alpha=0), dict(blocks=()), dict(blocks=0), dict(num_labels=5),
    dict(neigh_size=0), dict(t_size=0), dict(clean_lam=-1), dict(adv_p=2),
    dict(mean=MEAN, std=None)])
def test_bad_arguments_are_named(options):
    with pytest.raises(ValueError, match='Expected'):
        PuzzleMix(**options)


@pytest.mark.parametrize('options', [dict(), dict(clean_lam=.5)])
def test_a_classifier_trains_with_it(options):
    model = MODELS.build(dict(
        type='AlignMixClassifier',
        backbone=dict(type='PreActResNet_CIFAR', base_channels=4),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=7, in_channels=32,
                  loss=dict(type='SoftmaxBCELoss')),
        data_preprocessor=dict(num_classes=7, mean=MEAN, std=STD),
        train_cfg=dict(augments=[
            dict(type='PuzzleMix', blocks=4, **options)])))
    model.train()
    statistics = next(m for m in model.modules() if isinstance(
        m, torch.nn.BatchNorm2d)).num_batches_tracked
    data = dict(inputs=torch.randint(0, 256, (5, 3, 32, 32)).byte(),
                data_samples=[DataSample().set_gt_label(n) for n in range(5)])
    data = model.data_preprocessor(data, True)
    assert isinstance(data['inputs'], MixBatch)
    losses = model(**data, mode='loss')
    assert set(losses) == {'loss', 'loss_clean'} if options else {'loss'}
    # BatchNorm sees the clean images if they are trained with
    assert statistics == (2 if options else 1)
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    aug = model.data_preprocessor.batch_augments.augments[0]
    assert aug.scale.mean == tuple(MEAN)


def test_it_is_registered():
    assert isinstance(BATCH_AUGMENTS.build(dict(type='PuzzleMix')), PuzzleMix)
