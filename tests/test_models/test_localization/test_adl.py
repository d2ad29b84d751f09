"""ADL: its draw, and layers that are attached to published networks."""
import copy
import pickle
from pathlib import Path

import pytest
import torch
from commands import python
from conftest import ROOT
from erasing_loops import dropout_by_loops
from mmengine.model import revert_sync_batchnorm
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import nn
from torch.utils.checkpoint import checkpoint

from alignmix_mm import ADL

R50 = ('layer3.0', 'layer4.0', 'layer4.2')
VGG = ('features.9', 'features.12', 'features.16')
SMALL = dict(type='ResNet', depth=18, stem_channels=8, base_channels=8)
HEAD = dict(type='LinearClsHead', num_classes=5, in_channels=64)


def build(cls='CAMClassifier', backbone=SMALL, **options):
    torch.manual_seed(0)
    options = {'neck': dict(type='GlobalAveragePooling'), 'head': HEAD,
               **options}
    return MODELS.build(copy.deepcopy(
        dict(type=cls, backbone=backbone, **options)))


def with_adl(at=('layer3.0', 'layer4.1'), **options):
    return build(adl=dict(at=at, drop_rate=.5, drop_threshold=.7), **options)


def draws(rate, count, seed=3):
    torch.manual_seed(seed)
    return [bool(torch.rand(()) >= 1 - rate) for _ in range(count)]


@pytest.mark.parametrize('rate', [0., .25, .75, 1.])
def test_one_draw_decides_for_the_batch(rate):
    layer, x = ADL(rate, .7), torch.randn(3, 4, 5, 6)
    expected = draws(rate, 400)
    torch.manual_seed(3)
    outputs = [layer(x) for _ in range(400)]
    options = {drop: dropout_by_loops(x, drop, .7) for drop in (True, False)}
    for drop, output in zip(expected, outputs):
        torch.testing.assert_close(output, options[drop])
    # three standard errors of a share
    assert abs(sum(expected) / 400 - rate) <= 3 * (
        rate * (1 - rate) / 400)**.5


def test_defaults_are_those_of_the_layer():
    layer = ADL()
    assert (layer.drop_rate, layer.drop_threshold) == (.75, .8)
    assert not list(layer.state_dict())
    assert 'drop_rate=0.75, drop_threshold=0.8' in repr(layer)
    assert isinstance(MODELS.build(dict(type='ADL')), ADL)


def test_evaluation_changes_nothing_and_draws_nothing():
    layer, x = ADL().eval(), torch.randn(2, 3, 4, 5)
    state = torch.get_rng_state()
    assert layer(x) is x
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize('name', ['drop_rate', 'drop_threshold'])
@pytest.mark.parametrize('value', [-.1, 1.1, float('nan')])
def test_arguments_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=rf'`{name}` in \[0, 1\].*{value}'):
        ADL(**{name: value})
    ADL(**{name: 0}), ADL(**{name: 1})


def adl_after(x, path, at, decisions):
    return (dropout_by_loops(x, decisions.pop(0), .7) if path in at else x)


@torch.no_grad()
def test_resnet_50_is_that_of_the_loops():
    model = build(backbone=dict(
        type='ResNet', depth=50, stem_channels=8, base_channels=4,
        strides=(1, 2, 2, 1)), head=dict(HEAD, in_channels=128),
        adl=dict(at=R50, drop_rate=.5, drop_threshold=.7)).double().train()
    net, images = model.backbone, torch.randn(3, 3, 64, 48).double()
    for seed in range(3):
        decisions = draws(.5, 3, seed)
        x = net.maxpool(net.relu(net.norm1(net.conv1(images))))
        for stage in ('layer1', 'layer2', 'layer3', 'layer4'):
            for n, block in enumerate(getattr(net, stage)):
                # past the hooks
                x = adl_after(block.forward(x), f'{stage}.{n}', R50,
                              decisions)
        torch.manual_seed(seed)
        result = model.extract_feat(images, stage='backbone')[-1]
        assert result.shape == (3, 128, 4, 3)
        torch.testing.assert_close(result, x)


@torch.no_grad()
def test_vgg_gap_is_that_of_the_loops():
    model = build(backbone=dict(type='VGGGAP', out_channels=12),
                  head=dict(HEAD, in_channels=12),
                  adl=dict(at=VGG, drop_rate=.5, drop_threshold=.7)).train()
    net, images = model.backbone, torch.randn(2, 3, 34, 36)
    kinds = [type(layer).__name__ for layer in net.features]
    assert kinds[9] == 'MaxPool2d' and kinds[13] == 'MaxPool2d'
    assert len(kinds) == 17  # conv5_3 is the last
    decisions = draws(.5, 3, 1)
    assert len(set(decisions)) == 2
    x = images
    for n, layer in enumerate(net.features):
        x = adl_after(layer.forward(x), f'features.{n}', VGG, decisions)
    torch.manual_seed(1)
    torch.testing.assert_close(
        model.extract_feat(images, stage='backbone')[-1], net.conv6(x))


def test_checkpoints_are_those_of_the_plain_classifier():
    plain, model = build(), with_adl()
    assert list(model.state_dict()) == list(plain.state_dict())
    model.load_state_dict(plain.state_dict())
    images = torch.randn(2, 3, 64, 64)
    for net in (plain, model):
        net.eval()
    assert torch.equal(model(images), plain(images))
    assert sum(p.numel() for p in model.parameters()) == sum(
        p.numel() for p in plain.parameters())


def count_draws(model, images, monkeypatch):
    """Paths in the order in which their layers act."""
    seen = []
    for layer in model.adl:
        monkeypatch.setattr(
            layer, 'forward', lambda x, path=layer.path: seen.append(path)
            or x)
    model.extract_feat(images)
    return seen


def test_layers_act_in_training_only(monkeypatch):
    model, images = with_adl(), torch.randn(2, 3, 64, 64)
    assert count_draws(model.eval(), images, monkeypatch) == []
    assert count_draws(model.train(), images, monkeypatch) == [
        'layer3.0', 'layer4.1']


def test_they_act_after_frozen_stages_too(monkeypatch):
    model = with_adl(backbone=dict(SMALL, frozen_stages=3)).train()
    assert not model.backbone.layer3[0].training
    assert count_draws(model, torch.randn(2, 3, 64, 64), monkeypatch) == [
        'layer3.0', 'layer4.1']


@pytest.mark.parametrize('convert', [
    nn.SyncBatchNorm.convert_sync_batchnorm, revert_sync_batchnorm])
def test_modules_may_be_replaced(convert, monkeypatch):
    """What a conversion does after the model is built."""
    backbone = dict(SMALL, norm_cfg=dict(type='SyncBN')) if (
        convert is revert_sync_batchnorm) else SMALL
    model = with_adl(('layer1.0.bn1', 'layer4.1'), backbone=backbone)
    old = model.backbone.layer1[0].bn1
    model = convert(model).train()
    assert model.backbone.layer1[0].bn1 is not old
    model.backbone.apply(lambda module: isinstance(
        module, nn.modules.batchnorm._BatchNorm) and module.eval())
    images = torch.randn(2, 3, 64, 64)
    expected = ['layer1.0.bn1', 'layer4.1']
    assert count_draws(model, images, monkeypatch) == expected
    assert count_draws(model, images, monkeypatch) == expected  # once
    assert not old._forward_hooks


def test_copies_have_layers_of_their_own(monkeypatch):
    model, images = with_adl().train(), torch.randn(2, 3, 64, 64)
    for other in copy.deepcopy(model), pickle.loads(pickle.dumps(model)):
        other.eval()
        assert count_draws(other, images, monkeypatch) == []
        other.train()
        assert len(count_draws(other, images, monkeypatch)) == 2
    assert len(count_draws(model, images, monkeypatch)) == 2


def test_activation_checkpointing_repeats_the_draw():
    layer = ADL(.5, .7)
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    for seed in range(6):
        gradients = []
        for run in (layer, lambda x: checkpoint(layer, x,
                                                use_reentrant=False)):
            torch.manual_seed(seed)
            run(x).square().sum().backward()
            gradients.append(x.grad)
            x.grad = None
        torch.testing.assert_close(*gradients)


@pytest.mark.parametrize('augment', [
    dict(type='Mixup', alpha=1.), dict(type='CutMix', alpha=1.),
    dict(type='AlignMix', alpha=1., modes=['feat'])])
def test_it_trains_with_mixing(augment):
    model = with_adl(
        cls='AlignMixClassifier', mix_at='layer4.0',
        head=dict(HEAD, loss=dict(type='CrossEntropyLoss', use_soft=True)),
        data_preprocessor=dict(num_classes=5),
        train_cfg=dict(augments=[augment])).train()
    data = model.data_preprocessor(dict(
        inputs=list(torch.randn(4, 3, 64, 64)),
        data_samples=[DataSample().set_gt_label(n) for n in range(4)]), True)
    for _ in range(4):  # a step may drop all of so small a map
        loss = model(**data, mode='loss')['loss']
        loss.backward()
        assert loss.isfinite()
    assert model.backbone.conv1.weight.grad.abs().sum() > 0


@pytest.mark.parametrize('options, message', [
    (dict(at='layer4.7'), r"adl.at='layer4.7' is not a module.*'layer4.1'"),
    (dict(at=('layer4.1', 'layre3.0')), r"'layre3.0'.*'layer3.0'"),
    (dict(at=()), r'adl.at.* got \(\)'),
    (dict(at=('layer3.0', 'layer3.0')), 'different paths'),
    (dict(at='layer3.0', drop_rate=2), r'drop_rate` in \[0, 1\]')])
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        build(adl=options)


def test_what_is_no_map_is_named():
    model = build(backbone=dict(
        type='VisionTransformer', arch='deit-tiny', img_size=32,
        patch_size=8), neck=None, head=dict(HEAD, in_channels=192),
        adl=dict(at='layers.3')).train()
    with pytest.raises(ValueError, match=r"'layers.3'.* got \(2, 17, 192\)"):
        model.extract_feat(torch.randn(2, 3, 32, 32))
    model.eval().extract_feat(torch.randn(2, 3, 32, 32))


DDP = """
import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmpretrain.structures import DataSample
from test_adl import with_adl

dist.init_process_group('gloo')
rank = dist.get_rank()
model = MMDistributedDataParallel(with_adl().train())
optim = OptimWrapper(torch.optim.SGD(model.parameters(), .05))
torch.manual_seed(rank)  # MMEngine: diff_rank_seed
state = torch.get_rng_state()
draws = [bool(torch.rand(()) >= .5) for _ in range(20)]
torch.set_rng_state(state)
for n in range(4):
    images = torch.linspace(-1, 1, 4 * 3 * 32 * 32).view(4, 3, 32, 32)
    model.train_step(dict(inputs=images.roll(rank, 0), data_samples=[
        DataSample().set_gt_label(i) for i in range(4)]), optim)
assert torch.rand(()) == (torch.manual_seed(rank), torch.rand(9))[1][8]
own = torch.cat([p.detach().flatten() for p in model.parameters()])
first = own.clone()
dist.broadcast(first, 0)
assert torch.equal(own, first) and own.isfinite().all()
others = [None, None]
dist.all_gather_object(others, draws)
assert others[0] != others[1]
print('weights agree')
dist.destroy_process_group()
"""


@pytest.mark.process
def test_each_of_two_processes_draws_for_its_own_part(tmp_path):
    """Two draws in each of four steps, and the same weights."""
    script = tmp_path / 'ddp.py'
    script.write_text(DDP)
    folder = ROOT / 'tests'
    output = python(
        '-m', 'torch.distributed.run', '--nproc_per_node=2', '--standalone',
        script, PYTHONPATH=f'{ROOT}:{folder}:{Path(__file__).parent}')
    assert output.count('weights agree') == 2
