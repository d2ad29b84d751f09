"""Mixing inside a backbone equals splitting the backbone by hand."""
import copy
import pickle

import pytest
import torch
from mmengine.model import ExponentialMovingAverage, convert_sync_batchnorm
from mmengine.runner.activation_checkpointing import (
    turn_on_activation_checkpointing,
)
from mmpretrain.registry import MODELS
from packaging.version import Version

import alignmix_mm  # noqa: F401
from alignmix_mm.mixing import AlignMix, MixBatch, MixPlan
from alignmix_mm.models.mixer import MapMixer
from alignmix_mm.models.places import MixPlaces
from alignmix_mm.ops import align_and_mix

LAM = torch.tensor([0.15, 0.4, 0.75])
PERM = torch.tensor([2, 0, 1])  # not its own inverse
VIT = dict(type='VisionTransformer', img_size=32, patch_size=8, arch=dict(
    embed_dims=24, num_layers=4, num_heads=2, feedforward_channels=48))
DEIT = {**VIT, 'type': 'DistilledVisionTransformer'}
SWIN = dict(type='SwinTransformer', img_size=64, window_size=2, patch_size=2,
            drop_path_rate=0., arch=dict(
                embed_dims=12, depths=[1, 1, 1, 2], num_heads=[1, 2, 2, 2]))
R18 = dict(type='ResNet', depth=18, stem_channels=8, base_channels=8,
           zero_init_residual=False)
PREACT = dict(type='PreActResNet_CIFAR', base_channels=4)


def build(backbone, mix_at, neck=None, type='AlignMixClassifier', **options):
    head = dict(type='LinearClsHead', num_classes=10, in_channels=64)
    augments = [dict(type='AlignMix', modes=('feat', 'feat_swap'))]
    if type == 'AlignMixClassifier':
        options['mix_at'] = mix_at
    return MODELS.build(dict(
        type=type, backbone=copy.deepcopy(backbone), neck=neck, head=head,
        data_preprocessor=dict(num_classes=10),
        train_cfg=dict(augments=augments), **options))


def images(size=32):
    return torch.randn(3, 3, size, size)


def batch(x, mode='feat'):
    return MixBatch(x, MixPlan(mode, LAM, PERM))


def tensor(feats):
    return feats if isinstance(feats, torch.Tensor) else tensor(feats[-1])


def mix_by_hand(x, mode, extra=0):
    """Tokens or a map, by the formulas of the paper."""
    a, b = (x, x[PERM]) if mode == 'feat' else (x[PERM], x)
    if x.ndim == 4:
        return align_and_mix(a, b, LAM)
    lam = LAM.view(-1, 1, 1)
    fixed = lam * a[:, :extra] + (1 - lam) * b[:, :extra]
    a, b = (t[:, extra:].transpose(1, 2)[..., None] for t in (a, b))
    moved = align_and_mix(a, b, LAM)[..., 0].transpose(1, 2)
    return torch.cat([fixed, moved], 1)


def resnet_by_hand(net, x, mode):
    """The output of the last but one block of the last stage is mixed."""
    x = net.maxpool(net.relu(net.norm1(net.conv1(x))))
    for name in net.res_layers[:-1]:
        x = getattr(net, name)(x)
    *blocks, last = getattr(net, net.res_layers[-1])
    for block in blocks:
        x = block(x)
    return last(mix_by_hand(x, mode))


def mobilenet_by_hand(net, x, mode):
    x = net.conv1(x)
    for name in net.layers:
        x = getattr(net, name)(x)
        if name == 'layer6':
            x = mix_by_hand(x, mode)
    return x


def vit_by_hand(net, x, mode):
    x, _ = net.patch_embed(x)
    tokens = [net.cls_token.expand(len(x), -1, -1)]
    if hasattr(net, 'dist_token'):
        tokens.append(net.dist_token.expand(len(x), -1, -1))
    x = torch.cat([*tokens, x], 1) + net.pos_embed
    for n, layer in enumerate(net.layers):
        x = layer(x)
        if n == 2:
            x = mix_by_hand(x, mode, extra=len(tokens))
    return net.ln1(x)[:, len(tokens) - 1]


def swin_by_hand(net, x, mode):
    x, size = net.patch_embed(x)
    for n, stage in enumerate(net.stages):
        x, size = stage(x, size, do_downsample=False)
        if n == 2:
            x = mix_by_hand(x, mode)
        if stage.downsample is not None:
            x, size = stage.downsample(x, size)
    x = net.norm3(x)
    return x.view(-1, *size, x.shape[-1]).permute(0, 3, 1, 2)


NETWORKS = {
    'resnet18': (R18, 'layer4.0', resnet_by_hand, 64),
    'resnet50': ({**R18, 'depth': 50, 'base_channels': 4}, 'layer4.1',
                 resnet_by_hand, 64),
    'mobilenet': (dict(type='MobileNetV2', widen_factor=0.25), 'layer6',
                  mobilenet_by_hand, 64),
    'vit': (VIT, 'layers.2', vit_by_hand, 32),
    'deit': (DEIT, 'layers.2', vit_by_hand, 32),
    'swin': (SWIN, 'stages.2', swin_by_hand, 64),
}


@pytest.mark.parametrize('mode', ['feat', 'feat_swap'])
@pytest.mark.parametrize('name', NETWORKS)
def test_equals_the_backbone_split_by_hand(name, mode):
    backbone, mix_at, by_hand, size = NETWORKS[name]
    model = build(backbone, mix_at)
    model.train()
    net = copy.deepcopy(model.backbone)
    net.train()
    x = images(size)
    result = tensor(model.extract_feat(batch(x, mode), 'backbone'))
    expected = by_hand(net, x, mode)
    # the same operations in another order of the samples
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(result, tensor(model.backbone(x)), atol=1e-3)
    weights = torch.randn_like(expected)
    (result * weights).sum().backward()
    (expected * weights).sum().backward()
    gradients = dict(net.named_parameters())
    for key, parameter in model.backbone.named_parameters():
        torch.testing.assert_close(
            parameter.grad, gradients[key].grad, rtol=1e-3, atol=1e-4,
            msg=key)


def test_everything_runs_once_and_statistics_count_one_batch():
    model = build(R18, 'layer4.0', dict(type='GlobalAveragePooling'))
    model.train()
    model.extract_feat(batch(images()))  # the first one is reported
    calls = []
    for name, module in model.named_modules():
        module.register_forward_hook(
            lambda *args, name=name: calls.append(name))
    model.extract_feat(batch(images()))
    assert len(set(calls) - {'backbone.layer1.0.relu'}) > 40
    once = [c for c in calls if 'relu' not in c]  # blocks share theirs
    assert len(once) == len(set(once))
    tracked = {m.num_batches_tracked.item() for m in model.modules()
               if isinstance(m, torch.nn.BatchNorm2d)}
    assert tracked == {2}


def counted(mixer):
    """A list that grows with every map that is mixed."""
    calls, mix_map = [], mixer.mix_map

    def mix(*args):
        calls.append(args)
        return mix_map(*args)

    mixer.mix_map = mix
    return calls


@pytest.mark.parametrize('mix_at', ['layer4.0', 'layer4.1.bn1'])
def test_activation_checkpointing_changes_nothing(mix_at):
    """`with_cp` runs parts of a block again in backward, mixing alike."""
    results, mixed = [], []
    for with_cp in False, True:
        torch.manual_seed(1)
        model = build({**R18, 'with_cp': with_cp}, mix_at)
        model.train()
        model._report_effect = lambda *args: None
        count = counted(model.mixer)
        out = tensor(model.extract_feat(batch(images(64)), 'backbone'))
        (out**2).sum().backward()
        results.append([out, *[p.grad for p in model.backbone.parameters()]])
        mixed.append(len(count))
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)
    inside = mix_at != 'layer4.0'
    assert mixed == [1, 2 if inside else 1]


def test_mmengines_activation_checkpointing_changes_nothing():
    results = []
    for modules in [], ['backbone.layer4', 'backbone.layer2']:
        torch.manual_seed(1)
        model = build(PREACT, ['layer4.0', 'layer2.1'])
        model.train()
        turn_on_activation_checkpointing(model, modules)
        out = tensor(model.extract_feat(batch(images()), 'backbone'))
        (out**2).sum().backward()
        results.append([out, *[p.grad for p in model.backbone.parameters()]])
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


def test_a_step_without_a_plan_is_not_mixed_in_its_backward():
    """CutMix after AlignMix: the plan of the last step is over."""
    model = build({**R18, 'with_cp': True}, 'layer4.1.bn1')
    model.train()
    model.extract_feat(batch(images(64)))
    plain = build({**R18, 'with_cp': True}, None)
    plain.load_state_dict(model.state_dict())
    plain.train()
    x = images(64)
    for net in model, plain:
        (tensor(net.extract_feat(x, 'backbone'))**2).sum().backward()
    for (name, p), q in zip(model.named_parameters(), plain.parameters()):
        torch.testing.assert_close(p.grad, q.grad, msg=name)


class Wrapper(torch.nn.Module):
    """What sharding puts around a module after the model is built."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x)


def test_a_wrapped_module_is_mixed_once():
    model = build(PREACT, 'layer3')
    model.eval()
    x = images()
    expected = model.extract_feat(batch(x))[0]
    model.backbone.layer3 = Wrapper(model.backbone.layer3)
    assert torch.equal(model.extract_feat(batch(x))[0], expected)


def test_tokens_with_their_grid_are_mixed_in_its_blocks():
    tokens = torch.randn(3, 32 * 18, 4)
    model = build(Odd((tokens, (32, 18))), 'inner', num_extra_tokens=0)
    seen = []
    model.backbone.inner.register_forward_hook(
        lambda module, args, output: seen.append(output))
    with torch.no_grad():
        model.extract_feat(batch(images()))
    plan = batch(tokens).plan
    mixed, grid = seen[-1]
    assert grid == (32, 18)
    torch.testing.assert_close(
        mixed, model.mixer.mix_tokens(tokens, plan, 0, (32, 18)))
    assert not torch.allclose(mixed, model.mixer.mix_tokens(tokens, plan))


@pytest.mark.parametrize('backend', ['torch', 'triton'])
def test_a_compiled_backbone_mixes_alike(backend):
    """With no new graphs for every step, and with the kernels in one each."""
    if backend == 'triton':
        pytest.importorskip('triton')
    model = build(PREACT, ['layer4.0', 'layer3.1'],
                  mixer=dict(backend=backend))
    model.eval()
    compiled = copy.deepcopy(model)
    graphs, counts = [], []

    def count(graph, inputs):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compiled.backbone.compile(backend=count, fullgraph=backend == 'triton')
    for step in range(3):
        for mode, place in [('feat', 0.), ('feat_swap', .9), ('embed', 0.)]:
            torch.manual_seed(step)
            plan = MixPlan(mode, torch.rand(3), torch.randperm(3), place)
            x = images()
            torch.testing.assert_close(
                compiled.extract_feat(MixBatch(x, plan), 'backbone'),
                model.extract_feat(MixBatch(x, plan), 'backbone'))
            assert torch.equal(compiled.extract_feat(x)[0],
                               model.extract_feat(x)[0])
        counts.append(len(graphs))
    if Version(torch.__version__) > Version('2.9'):
        # torch 2.8 compiles parts of the torch backend anew in each round
        assert 0 < counts[0] == counts[-1]
    if backend == 'triton':  # not mixed, and one for each of two places
        assert len(graphs) == 3


def test_evaluation_and_state_dict_are_those_of_the_plain_classifier():
    plain = build(R18, None, dict(type='GlobalAveragePooling'),
                  'ImageClassifier').eval()
    model = build(R18, ['layer4.0', 'layer3', None],
                  dict(type='GlobalAveragePooling'))
    assert model.state_dict().keys() == plain.state_dict().keys()
    model.load_state_dict(plain.state_dict())
    x = images()
    model.train()
    model.extract_feat(batch(x))
    model.load_state_dict(plain.state_dict())  # statistics have moved
    model.eval()
    assert torch.equal(model(x), plain(x))
    model.extract_feat(batch(x))
    # also for those who call the backbone themselves
    assert torch.equal(model.backbone(x)[0], plain.backbone(x)[0])


def test_averaged_and_copied_models_have_places_of_their_own():
    model = build(PREACT, 'layer4.0', dict(type='GlobalAveragePooling'))
    model.eval()
    x = images()
    ema = ExponentialMovingAverage(model)
    for other in ema.module, pickle.loads(pickle.dumps(model)):
        expected = model.extract_feat(batch(x))[0]  # sets the plan here
        assert torch.equal(other.extract_feat(x)[0], model.extract_feat(x)[0])
        model.extract_feat(batch(x))
        assert torch.equal(other.backbone(x)[0], model.backbone(x)[0])
        assert torch.equal(other.extract_feat(batch(x))[0], expected)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.zero_()
        assert torch.equal(model.extract_feat(batch(x))[0], expected)


def test_conversion_to_sync_batchnorm_keeps_the_place():
    model = build(R18, 'layer4.0.bn2')
    model.eval()
    x = images(64)
    expected = model.extract_feat(batch(x))[0]
    before = model.backbone.layer4[0].bn2
    model = convert_sync_batchnorm(model)
    model.eval()  # their layers start in training mode
    assert model.backbone.layer4[0].bn2 is not before
    torch.testing.assert_close(model.extract_feat(batch(x))[0], expected)


@pytest.mark.parametrize('name, near', [
    ('layer4.7', r"\['layer4.1', 'layer4.0'"), ('layr3', "'layer3'"),
    ('backbone.layer4', "'layer4'"), ('', 'Similar'), (3, 'Similar')])
def test_a_wrong_path_fails_at_build_and_names_the_nearest(name, near):
    with pytest.raises(ValueError, match=f'is no module of ResNet.*{near}'):
        build(R18, [name])


def test_no_place_at_all_fails_at_build():
    with pytest.raises(ValueError, match='None \\(the neck\\)'):
        build(R18, [])


def test_options_are_those_of_the_neck_if_it_has_some():
    neck = dict(type='AlignMixNeck', align=False,
                embed=dict(type='GlobalAveragePooling'))
    model = build(PREACT, 'layer4.0', neck)
    assert model.mixer is model.neck.mixer
    x = images()
    model.eval()
    result, = model.extract_feat(batch(x))
    by_hand = batch(x).plan.mix
    net = model.backbone
    x = net.layer4[0](net.layer3(net.layer2(net.layer1(net.stem(x)))))
    expected = net.layer4[1](by_hand(x)).mean((2, 3))
    torch.testing.assert_close(result, expected)
    with pytest.raises(ValueError, match='Set them in `neck`'):
        build(PREACT, 'layer4.0', neck, mixer=dict(solver='log'))


class Odd(torch.nn.Module):
    """Returns what it is told to, and has modules that run never or twice."""

    def __init__(self, output):
        super().__init__()
        self.output = output
        self.inner = Returning(output)
        self.never = torch.nn.Identity()
        self.twice = torch.nn.Identity()

    def forward(self, x):
        self.inner(x)
        return (self.twice(self.twice(x)), )


class Returning(torch.nn.Module):

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x):
        return self.output


@pytest.mark.parametrize('output, message', [
    (torch.rand(3, 7), r'returned a tensor: \(3, 7\)'),
    (torch.ones(3, 4, 2, 2, dtype=torch.int64), 'returned a tensor'),
    ((torch.rand(3, 4, 2, 2), torch.rand(3, 4)), r'tuple.*\(3, 4\)'),
    ({'x': torch.rand(3, 4)}, 'returned dict'),
    (torch.rand(3, 5, 5, 4), r'\(B, H, W, C\)'),
    (torch.rand(3, 5, 4), 'num_extra_tokens'),
    (torch.rand(3, 4, 17, 17), 'at most 256 positions.*17x17'),
    (torch.rand(2, 4, 2, 2), 'batch of 3 samples'),
])
def test_what_cannot_be_mixed_fails_at_the_first_step(output, message):
    model = build(Odd(output), 'inner')
    with pytest.raises(ValueError, match=message):
        model.extract_feat(batch(images()))


@pytest.mark.parametrize('mix_at, message', [
    ('never', "mix_at='never' did not run"),
    ('twice', "mix_at='twice' ran twice")])
def test_what_does_not_run_once_fails_at_the_first_step(mix_at, message):
    model = build(Odd(None), mix_at)
    with pytest.raises(RuntimeError, match=message):
        model.extract_feat(batch(images()))


def test_the_number_of_class_tokens_can_be_given():
    backbone = Odd(None)
    backbone.twice = torch.nn.Flatten(1)
    backbone.inner = torch.nn.Flatten(2)  # (3, 3, 1024): 3 tokens
    model = build(backbone, 'inner', num_extra_tokens=1)
    model.eval()
    seen = []
    mix_tokens = model.mixer.mix_tokens
    model.mixer.mix_tokens = lambda *args: seen.append(args) or (
        mix_tokens(*args))
    model.extract_feat(batch(images()))
    assert seen[0][2] == 1


def test_places_are_drawn_uniformly_and_alike_on_all_ranks():
    backbone = MODELS.build(PREACT)
    names = ['layer1', None, 'layer3']
    places = MixPlaces(names, backbone, MapMixer())
    augment = AlignMix(modes='feat')
    chosen = []
    for _ in range(3000):
        place = places.choose(augment.draw(2, 'cpu'))
        chosen.append(place if place is None else place.name)
    for name in names:  # 3 standard deviations of a binomial
        assert abs(chosen.count(name) - 1000) < 3 * (3000 * 2 / 9)**.5
    assert places.choose(MixPlan('embed', LAM, PERM, .5)) is None
    assert places.choose(None) is None


def test_bf16_autocast_is_close_to_float32():
    for backbone in R18, VIT:
        mix_at = 'layer3' if backbone is R18 else 'layers.2'
        model = build(backbone, mix_at).eval()
        x = images(64 if backbone is R18 else 32)
        expected = tensor(model.extract_feat(batch(x), 'backbone'))
        with torch.autocast('cpu', torch.bfloat16):
            result = tensor(model.extract_feat(batch(x), 'backbone'))
        # bfloat16 has 3 digits, and layers follow; plans are float32's
        error = (result.float() - expected).norm() / expected.norm()
        assert error < 0.05
