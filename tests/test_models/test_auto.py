"""`mix_at='auto'`: the last place at which alignment matters."""
import copy

import pytest
import torch
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from place_models import (
    DEIT,
    LAM,
    PERM,
    PREACT,
    R18,
    SWIN,
    VIT,
    batch,
    build,
    images,
)
from torch import nn

from alignmix_mm.mixing import MixBatch, alignmix_plan
from alignmix_mm.models.auto import find_place, find_places

GAP = dict(type='GlobalAveragePooling')
MIXER = dict(type='MlpMixer', img_size=32, patch_size=8, arch=dict(
    embed_dims=24, num_layers=3, tokens_mlp_dims=8, channels_mlp_dims=16))
PAPER = dict(type='AlignMixNeck', embed=dict(
    type='LinearEmbedding', in_channels=32 * 16, out_channels=64))
# network: what follows it, the size of its images, and the place
NETWORKS = {
    'resnet18': (R18, GAP, 128, 'layer4.0'),
    'resnet50': ({**R18, 'depth': 50, 'base_channels': 4}, GAP, 64,
                 'layer4.1'),
    'checkpointed': ({**R18, 'with_cp': True}, GAP, 64, 'layer4.0'),
    'small images': (R18, GAP, 33, 'layer4.0'),
    'one position at the end': (R18, GAP, 32, 'layer3'),
    'preact': (PREACT, GAP, 32, 'layer4.0'),
    'the papers f': (PREACT, PAPER, 32, None),
    'maximum': (PREACT, dict(type='test_auto.Maximum'), 32, None),
    'vgg': (dict(type='VGG', depth=11, num_classes=-1), GAP, 64,
            'features.11'),  # the last pooling takes maxima
    'vgg, flattened': (dict(type='VGG', depth=11, num_classes=64), None, 224,
                       'features.12'),
    'mobilenet': (dict(type='MobileNetV2', widen_factor=.25), GAP, 128,
                  'layer6'),
    'convnext': (dict(type='ConvNeXt', arch=dict(
        depths=[1, 1, 1, 3], channels=[8, 8, 8, 8])), None, 64,
        'stages.3.1'),
    'vit': (VIT, None, 32, 'layers.2'),
    'deit': (DEIT, None, 32, 'layers.2'),
    'swin': (SWIN, GAP, 64, 'stages.3.blocks.0'),
    'mixer': (MIXER, dict(type='GlobalAveragePooling', dim=1), 32,
              'layers.1'),
    'poolformer': (dict(type='PoolFormer', arch='s12'), GAP, 64,
                   'network.6.0'),
}
OPTIONS = {'mixer': dict(num_extra_tokens=0)}


@MODELS.register_module()
class Maximum(nn.Module):
    """Global maximum pooling: alignment changes which one is taken."""

    def forward(self, x):
        return (x[-1].amax((2, 3)), )


def network(name, mix_at='auto'):
    backbone, neck, size, place = NETWORKS[name]
    if neck and 'Maximum' in neck['type']:
        neck = Maximum()
    model = build(backbone, mix_at, copy.deepcopy(neck), head=None,
                  **OPTIONS.get(name, {}))
    return model, size, place


SLOW = ('vgg, flattened', 'poolformer', 'resnet50', 'deit', 'checkpointed',
        'convnext', 'one position at the end')


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
    for name in NETWORKS])
def test_the_place_and_that_nothing_changes(name):
    model, size, place = network(name)
    model.train()
    state = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    random = torch.get_rng_state()
    assert find_place(model, torch.zeros(3, 3, size, size)) == place
    assert torch.equal(torch.get_rng_state(), random)
    assert [module.training for module in model.modules()] == modes
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key]), key
    assert all(p.grad is None for p in model.parameters())


def test_a_head_after_pooling_sees_no_positions():
    """Though as many features as positions, twice, are its inputs."""
    model = build(PREACT, 'auto', GAP, head=dict(
        type='LinearClsHead', num_classes=10, in_channels=32))
    assert find_place(model, images()) == 'layer4.0'


def effect(name, mix_at):
    torch.manual_seed(0)
    model, size, _ = network(name, mix_at)
    with torch.no_grad():  # blocks that start as the identity do something
        for parameter in model.backbone.parameters():
            if parameter.ndim == 1 and parameter.abs().max() < 1e-3:
                parameter.fill_(.5)
    model.train()
    coarse = torch.randn(3, 3, 8, 8)
    x = nn.functional.interpolate(coarse, (size, size), mode='bilinear')
    plan = alignmix_plan('feat', LAM, PERM)
    data = MixBatch(x, plan)
    return model.measure_effect(data), model.measure_bypass(data)


@pytest.mark.parametrize('name, later', [
    ('resnet18', 'layer4.1'), ('preact', None), ('vit', None),
    ('mixer', None), pytest.param('swin', None, marks=pytest.mark.slow),
    ('the papers f', None),
    pytest.param('mobilenet', None, marks=pytest.mark.slow),
    ('maximum', None)])
def test_alignment_matters_there_and_all_passes_it(name, later):
    there, past = effect(name, 'auto')
    assert there > 1e-4 and past < 1e-4
    if later is not None:  # what is averaged afterwards
        assert effect(name, later)[0] < 1e-5


def test_plans_that_name_it_and_lists(mm_log):
    """It is one place among others, asked for once."""
    model, size, _ = network('preact', ['auto', 'layer2'])
    model.eval()
    x = images(size)
    named = build(PREACT, ['layer4.0', 'layer2'], GAP, head=None)
    named.load_state_dict(model.state_dict())
    named.eval()
    for place in .2, .7:
        plan = alignmix_plan('feat', LAM, PERM, place)
        torch.testing.assert_close(model.extract_feat(MixBatch(x, plan)),
                                   named.extract_feat(MixBatch(x, plan)))
    of_method = alignmix_plan('feat', LAM, PERM, at=('auto', ))
    torch.testing.assert_close(
        named.extract_feat(MixBatch(x, of_method)),
        named.extract_feat(batch(x)))
    said = [r.getMessage() for r in mm_log.records
            if "mix_at='auto'" in r.getMessage()]
    assert said == ["mix_at='auto': maps are mixed at layer4.0, the last "
                    'place at which alignment matters.'] * 2
    assert model.measure_alignment(
        MixBatch(x, alignmix_plan('feat', LAM, PERM))).place == 'layer4.0'


def test_a_method_builds_with_it():
    model = build(PREACT, None, GAP, head=None, train_cfg=dict(
        augments=[dict(type='AlignMix', at='auto', modes='feat')]))
    plan = model.data_preprocessor.batch_augments.augments[0].draw(images())
    assert model._complete_options(MixBatch(images(), plan)).at == [
        'layer4.0']


class Branches(nn.Module):
    """Something goes past every module but the first."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.layers = nn.ModuleList(nn.Conv2d(8, 8, 3, padding=1)
                                    for _ in range(9))

    def forward(self, x):
        x = before = self.stem(x)
        for layer in self.layers:
            x = layer(x)
        return (x + before, )


def test_no_place_near_the_end_is_said():
    model = build(R18, 'auto', GAP, head=None)
    model.backbone = Branches()
    places = find_places(model, (3, 32, 32))
    assert [place.name for place in places.candidates] == ['stem', None]
    assert places.rejected['layers.8'] == 'some features bypass it'
    with pytest.raises(ValueError, match='found no place.*pass stem, None'):
        model.extract_feat(batch(images()))


def test_channels_may_be_last():
    class Last(nn.Module):

        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 6, 4, 4)
            self.blocks = nn.ModuleList(nn.MultiheadAttention(
                6, 2, batch_first=True) for _ in range(2))
            self.outs = nn.ModuleList(nn.Identity() for _ in range(2))

        def forward(self, x):
            x = self.stem(x).permute(0, 2, 3, 1)
            for block, out in zip(self.blocks, self.outs):
                tokens = x.flatten(1, 2)
                x = out((tokens + block(tokens, tokens, tokens)[0]
                         ).unflatten(1, x.shape[1:3]))
            return (x.mean((1, 2)), )

    model = build(R18, 'auto', None, head=None)
    model.backbone = Last()
    places = find_places(model, (3, 28, 28))
    assert places.last.name == 'outs.0' and places.last.channels_last
    assert not places.candidates[0].channels_last


class TwoBranches(nn.Module):
    """Returns None for the one that it does not have, as Inception does."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(nn.Conv2d(3, 8, 3, 4),
                                    nn.Conv2d(8, 64, 3, padding=1))

    def forward(self, x):
        return None, self.blocks(x)


class Pooled(nn.Module):
    """Pools what is there."""

    def forward(self, feats):
        return tuple(feats[:-1]) + (feats[-1].mean((2, 3)), )


@pytest.mark.parametrize('mix_at', [None, 'auto'])
@pytest.mark.parametrize('mode', ['feat', 'embed'])
def test_a_branch_that_is_none_is_no_map(mode, mix_at):
    model = build(R18, mix_at, Pooled())
    model.backbone = TwoBranches()
    model.places = type(model.places)(mix_at, model.backbone)
    assert find_place(model, images()) == 'blocks.0'
    embedding = model.extract_feat(MixBatch(
        images(), alignmix_plan(mode, LAM, PERM)))
    assert embedding[-1].shape == (3, 64)


def test_what_operations_in_place_make_of_an_output_is_another():
    """ResNet adds the shortcut to it: the module's output has not that."""
    model = build(R18, 'auto', GAP, head=None)
    rejected = find_places(model, (3, 64, 64)).rejected
    for name in 'layer4.0.bn2', 'layer4.0.drop_path', 'layer4.1.conv1':
        assert rejected[name] == 'some features bypass it'
    assert rejected['layer4.1.relu'] == 'it ran 2 times'


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_the_search_leaves_nothing_in_autocast(dtype):
    """It keeps converted weights, which have no values during the search."""
    model = build(PREACT, 'auto', neck=GAP, head=dict(
        type='LinearClsHead', num_classes=10, in_channels=32)).train()
    plan = alignmix_plan('feat', LAM, PERM)
    samples = [DataSample().set_gt_score(score)
               for score in torch.eye(10)[:3]]
    with torch.autocast('cpu', dtype):
        losses = [model.loss(MixBatch(images(32), plan), samples)['loss']
                  for _ in range(2)]
    for loss in losses:
        assert loss.isfinite()
    losses[0].backward()
    assert all(parameter.grad is not None for parameter in
               model.parameters() if parameter.requires_grad)
