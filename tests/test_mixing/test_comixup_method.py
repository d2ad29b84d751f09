"""Co-Mixup as a method: parts of a batch, and what is made of them."""
import re

import numpy as np
import pytest
import torch
from mmpretrain.registry import BATCH_AUGMENTS, MODELS
from mmpretrain.structures import DataSample

from alignmix_mm.mixing import CoMixup, PendingPlan
from alignmix_mm.mixing.draws import Draws
from alignmix_mm.mixing.functional import (
    comixup_assign,
    comixup_compatibility,
    comixup_costs,
    comixup_mix,
)


def draws(seed=0):
    return Draws(np.random.default_rng(seed), np.random.default_rng(seed + 1))


def by_hand(images, scores, saliency, prior, init):
    """One part, by the pure functions."""
    costs = comixup_costs(saliency[None], prior[None], 4, .05)
    z = comixup_assign(costs, comixup_compatibility(saliency[None]),
                       init[None])
    mixed, labels = comixup_mix(images[None], scores[None], z)
    return mixed[0], labels[0]


@pytest.mark.parametrize('batch, sizes', [
    (12, [6, 6]), (7, [6, 1]), (9, [6, 3]), (4, [4]), (1, [1])])
def test_parts_are_mixed_on_their_own(batch, sizes):
    images, scores = torch.randn(batch, 3, 16, 16), torch.rand(batch, 5)
    scores = scores / scores.sum(1, keepdim=True)
    pending = CoMixup(part_size=6).plan(images, None, draws())
    assert isinstance(pending, PendingPlan) and pending.clean_weight == 1
    gradient = torch.randn_like(images)
    plan = pending.complete(gradient)
    saliency = (gradient**2).mean(1)**.5
    own = draws().own
    groups = [(sizes.count(6), 6), (1, sizes[-1] % 6)]
    first = 0
    for count, size in groups:
        if not count * size:
            continue
        priors = own.dirichlet([2.] * size, count)
        inits = own.integers(size, size=(count, size, 4, 4))
        for prior, init in zip(priors, inits):
            part = slice(first, first + size)
            mixed, labels = by_hand(
                images[part], scores[part], saliency[part],
                torch.from_numpy(prior).float(), torch.from_numpy(init))
            torch.testing.assert_close(plan.mix_images(images)[part], mixed)
            torch.testing.assert_close(plan.mix_labels(scores)[part], labels)
            first += size
    assert first == batch
    torch.testing.assert_close(plan.mix_labels(scores).sum(1),
                               torch.ones(batch))


@pytest.mark.parametrize('size, options, message', [
    ((16, 20), {}, '16x20. Valid sides nearby: 16 or 20.'),
    ((30, 30), {}, '28 or 32'), ((4, 4), {}, 'window=8'),
    ((4, 4), {}, 'nearby: 8.'), ((9, 3), dict(window=10), 'nearby: 12.')])
def test_sizes_that_cannot_be_are_refused_with_what_would_do(
        size, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        CoMixup(**options).plan(torch.zeros(4, 3, *size), None, draws())


@pytest.mark.parametrize('options', [
    dict(alpha=0), dict(part_size=0), dict(blocks=0), dict(niter=0),
    dict(window=0), dict(clean_lam=-1), dict(part_size=2.5)])
def test_bad_arguments_are_named(options):
    with pytest.raises(ValueError, match='Expected'):
        CoMixup(**options)


def test_a_classifier_trains_with_it_and_several_labels():
    """An incomplete batch of images of several classes."""
    model = MODELS.build(dict(
        type='AlignMixClassifier',
        backbone=dict(type='PreActResNet_CIFAR', base_channels=4),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='MultiLabelLinearClsHead', num_classes=4,
                  in_channels=32),
        data_preprocessor=dict(num_classes=4, to_onehot=True),
        train_cfg=dict(augments=[dict(type='CoMixup', part_size=3)])))
    model.train()
    data = dict(inputs=torch.randint(0, 256, (4, 3, 16, 16)).byte(),
                data_samples=[DataSample().set_gt_label(label)
                              for label in ([0, 3], [1], [2, 3], [3])])
    losses = model(**model.data_preprocessor(data, True), mode='loss')
    assert set(losses) == {'loss', 'loss_clean'}
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_it_is_registered():
    assert isinstance(BATCH_AUGMENTS.build(dict(type='CoMixup')), CoMixup)
