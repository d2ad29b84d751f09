"""What the log says about alignment, and that asking leaves no trace."""
import copy

import pytest
import torch
from mmpretrain.registry import DATASETS, MODELS

import alignmix_mm  # noqa: F401
from alignmix_mm.mixing import MixBatch, alignmix_plan
from alignmix_mm.models.effect import alignment_effect
from alignmix_mm.models.report import (
    LATER,
    EffectReport,
    starts_as_identity,
)
from alignmix_mm.models.trace import without_trace

GAP = dict(type='GlobalAveragePooling')
R18 = dict(type='ResNet', depth=18, stem_channels=8, base_channels=8,
           zero_init_residual=False)


def build(mix_at, backbone=R18, neck=GAP, **options):
    return MODELS.build(dict(
        type='AlignMixClassifier', backbone=copy.deepcopy(backbone),
        neck=neck, mix_at=mix_at,
        head=dict(type='LinearClsHead', num_classes=10, in_channels=64),
        data_preprocessor=dict(num_classes=10),
        train_cfg=dict(augments=[dict(type='AlignMix')]), **options))


@pytest.fixture(scope='module')
def digits():
    """Real images with a plan."""
    dataset = DATASETS.build(dict(
        type='Digits', split='test', image_size=128,
        pipeline=[dict(type='PackInputs')]))
    x = torch.stack([dataset[n]['inputs'] for n in range(8)])
    generator = torch.Generator().manual_seed(0)
    lam = torch.rand(8, generator=generator) * .5 + .25
    return MixBatch((x.float() - 75) / 95,
                    alignmix_plan('feat', lam, torch.arange(8).roll(3)))


@pytest.mark.parametrize('mix_at, low, high', [
    # the mean of an aligned map is the mean of the map: rounding is left
    (None, 0, 1e-5), ('layer4', 0, 1e-5),
    # a block after the mix sees positions
    ('layer4.0', .01, .5), ('layer3', .01, .5)])
def test_pooling_sees_no_alignment_and_a_block_does(
        mix_at, low, high, digits):
    model = build(mix_at)
    model.train()
    assert low <= model.measure_effect(digits) < high


def test_effect_is_the_relative_difference_of_the_embeddings(digits):
    model = build('layer3')
    model.eval()
    aligned, = model.extract_feat(digits)
    plain, = build_like(model, mixer=dict(align=False)).extract_feat(digits)
    expected = (aligned - plain).norm() / plain.norm()
    torch.testing.assert_close(model.measure_effect(digits), expected)
    # and that of the last embedding if there are several, nested or not
    effect = alignment_effect(lambda plan: (torch.zeros(2), (
        torch.zeros(2), torch.tensor([3. + plan.features.aligns, 0.]))),
        digits.plan)
    assert effect == pytest.approx(1 / 3)


def build_like(model, **options):
    other = build('layer3', **options)
    other.load_state_dict(model.state_dict())
    other.eval()
    return other


def test_asking_changes_nothing_and_draws_nothing(digits):
    backbone = {**R18, 'drop_path_rate': .5, 'norm_eval': False}
    model = build('layer4.0', backbone)
    model.train()
    model.backbone.bn1.eval()  # frozen: it has statistics of its own
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    first = model.measure_effect(digits)
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in model.modules()] == modes
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert torch.equal(model.measure_effect(digits), first)
    assert not first.requires_grad


def test_norms_use_the_batch_where_training_would(digits):
    norms = torch.nn.Sequential(torch.nn.BatchNorm2d(3),
                                torch.nn.BatchNorm2d(3))
    norms.train()
    norms[1].eval()
    x = torch.randn(4, 3, 5, 5) * 3 + 1
    expected = copy.deepcopy(norms)(x)
    with without_trace(norms):
        torch.testing.assert_close(norms(x), expected)
    assert norms[0].training and not norms[1].training
    with pytest.raises(RuntimeError, match='on purpose'):
        with without_trace(norms):
            raise RuntimeError('on purpose')
    assert norms[0].training and norms[0].running_mean is not None


def test_modules_that_keep_something_for_evaluation():
    """LeViT's attention gathers its biases when it leaves training."""
    model = build('stages.1', num_extra_tokens=0, backbone=dict(
        type='LeViT', arch='128s', img_size=64, drop_path_rate=0))
    model.eval().train()
    kept = [module for module in model.modules()
            if hasattr(module, 'attention_biases')]
    assert kept and not any(hasattr(module, 'ab') for module in kept)
    plan = alignmix_plan('feat', torch.full((3, ), .5),
                         torch.tensor([1, 2, 0]))
    batch = MixBatch(torch.randn(3, 3, 64, 64), plan)
    assert model.measure_effect(batch) > 0
    assert all(module.training for module in model.modules())
    assert not any(hasattr(module, 'ab') for module in kept)


def report(model, batches, mm_log, plan='feat'):
    mm_log.clear()
    x = torch.randn(3, 3, 32, 32)
    for n in range(batches):
        model.extract_feat(MixBatch(x, alignmix_plan(
            plan, torch.tensor([.3, .5, .6]), torch.tensor([1, 2, 0]),
            (n % 2) / 2)))
    return [r.getMessage() for r in mm_log.records
            if 'alignment changes' in r.getMessage()]


def test_the_log_says_it_once_for_each_place(mm_log):
    model = build(['layer3', None])
    model.train()
    at_layer, at_neck = report(model, 6, mm_log)
    assert at_layer.startswith('AlignMix at layer3: alignment changes the ')
    assert 'averages over positions' not in at_layer
    assert 'AlignMix at the neck' in at_neck and 'by 0.0 %' in at_neck
    assert "mix_at='auto'" in at_neck and 'LinearEmbedding' in at_neck


def test_the_log_is_silent_where_there_is_nothing_to_say(mm_log):
    model = build('layer3')
    model.train()
    assert not report(model, 2, mm_log, 'embed')
    unaligned = build('layer3', mixer=dict(align=False))
    unaligned.train()
    assert not report(unaligned, 2, mm_log)
    model.eval()
    assert not report(model, 2, mm_log)


def nothing():
    return torch.tensor(0.)


def test_blocks_that_start_as_the_identity_are_asked_again_later(mm_log):
    """`zero_init_residual` is MMPretrain's default."""
    effects = iter([0., .2, .3])
    batches, asked = [], []

    def measure():
        asked.append(len(batches))
        return torch.tensor(next(effects))

    ask = EffectReport()
    while len(batches) < 3 * LATER:
        ask.count('layer4.0', measure, nothing, lambda: True)
        batches.append(None)
    assert asked == [0, LATER]
    first, later = [r.getMessage() for r in mm_log.records][-2:]
    assert 'by 0.0 %' in first and f'again after {LATER}' in first
    assert 'averages over positions' not in first
    assert 'by 20.0 %' in later and 'a later batch' in later


def test_places_that_never_matter_are_asked_twice(mm_log):
    ask, asked = EffectReport(), []

    def measure():
        asked.append(None)
        return torch.tensor(0.)

    for _ in range(4 * LATER):
        ask.count('layer4', measure, nothing, lambda: True)
    assert len(asked) == 2
    later = mm_log.records[-1].getMessage()
    assert 'a later batch' in later and 'averages over positions' in later


@pytest.mark.parametrize('mix_at', ['layer2', 'layer4.0', 'layer4', None])
def test_all_passes_a_block(mix_at, digits):
    model = build(mix_at)
    model.train()
    assert model.measure_bypass(digits) < 1e-6  # a permutation, to rounding


class Branches(torch.nn.Module):
    """Half of its map comes from each of two branches."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 32, 3, 8)
        self.second = torch.nn.Conv2d(3, 32, 3, 8)

    def forward(self, x):
        return (torch.cat([self.first(x), self.second(x)], 1), )


def test_what_goes_past_a_branch_is_measured(digits):
    """Against the embeddings of images and others, by their halves."""
    model = build('first', dict(type=Branches))
    model.train()
    e, = model.extract_feat(digits.images)
    own, partner = e, e.roll(1, 0)
    expected = (own - partner)[:, 32:].norm() / own.norm()
    torch.testing.assert_close(model.measure_bypass(digits), expected)
    assert expected > .01


@pytest.mark.parametrize('mix_at, warns', [
    ('layer3.0', False), ('layer3.0.conv1', True), (None, False)])
def test_what_is_mixed_in_part_is_warned_of(mix_at, warns, mm_log):
    model = build(mix_at)
    model.train()
    report(model, 2, mm_log)
    warnings = [r.getMessage() for r in mm_log.records
                if 'goes past' in r.getMessage()]
    assert len(warnings) == warns
    if warns:
        assert "model.mix_at='layer3.0.conv1'" in warnings[0]
        assert 'a whole block or stage' in warnings[0]


def test_real_blocks_start_as_the_identity(digits):
    model = build('layer4.0', {**R18, 'zero_init_residual': True})
    model.init_weights()
    model.train()
    assert model.measure_effect(digits) < 1e-5
    torch.nn.init.ones_(model.backbone.layer4[1].bn2.weight)
    assert model.measure_effect(digits) > .01


@pytest.mark.parametrize('mix_at, expected', [
    ('layer4.0', True), ('layer3', True), ('layer4.1', False),
    ('layer4', False), (None, False)])
def test_pooling_is_not_taken_for_blocks_that_start_as_the_identity(
        mix_at, expected, mm_log):
    """Nothing but pooling follows layer4: there is nothing to wait for."""
    model = build(mix_at, {**R18, 'zero_init_residual': True})
    model.init_weights()
    assert starts_as_identity(model.backbone, mix_at) == expected
    model.train()
    text, = report(model, 2, mm_log)
    if mix_at in ('layer4.1', 'layer4', None):
        assert 'averages over positions' in text
        assert 'start as the identity' not in text
    if mix_at == 'layer4.0':
        assert 'start as the identity' in text
