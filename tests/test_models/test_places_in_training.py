"""Places survive what training does to a model: copies, wraps, compiles."""
import copy
import pickle
from functools import partial

import pytest
import torch
from mmengine.model import ExponentialMovingAverage, convert_sync_batchnorm
from mmengine.runner.activation_checkpointing import (
    turn_on_activation_checkpointing,
)
from packaging.version import Version
from place_models import PREACT, R18, batch, build, images, tensor

from alignmix_mm.mixing import AlignedPairs, MixBatch, alignmix_plan


@pytest.fixture
def mixed_maps(monkeypatch):
    """A list that grows with every map that is mixed."""
    calls, mix_map = [], AlignedPairs.mix_map

    def mix(*args):
        calls.append(args)
        return mix_map(*args)

    monkeypatch.setattr(AlignedPairs, 'mix_map', mix)
    return calls


@pytest.mark.parametrize('mix_at', ['layer4.0', 'layer4.1.bn1'])
def test_activation_checkpointing_changes_nothing(mix_at, mixed_maps):
    """`with_cp` runs parts of a block again in backward, mixing alike."""
    results, mixed = [], []
    for with_cp in False, True:
        torch.manual_seed(1)
        model = build({**R18, 'with_cp': with_cp}, mix_at)
        model.train()
        model._report_effect = lambda *args: None
        mixed_maps.clear()
        out = tensor(model.extract_feat(batch(images(64)), 'backbone'))
        (out**2).sum().backward()
        results.append([out, *[p.grad for p in model.backbone.parameters()]])
        mixed.append(len(mixed_maps))
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


@pytest.mark.parametrize('reentrant', [True, False])
def test_several_passes_before_one_backward(reentrant, monkeypatch):
    """Each is run again with its own plan, or with none."""
    from mmpretrain.models.backbones import resnet
    monkeypatch.setattr(resnet.cp, 'checkpoint', partial(
        torch.utils.checkpoint.checkpoint, use_reentrant=reentrant))
    torch.manual_seed(2)
    x = images(64)
    plans = [alignmix_plan('feat', torch.rand(3), torch.tensor(perm))
             for perm in ([1, 2, 0], [2, 0, 1])]
    inputs = [MixBatch(x, plans[0]), x, MixBatch(x.flip(3), plans[1]),
              MixBatch(x, plans[0])]
    results = []
    for with_cp in False, True:
        torch.manual_seed(1)
        model = build({**R18, 'with_cp': with_cp}, 'layer4.1.bn1')
        model.eval()  # the same statistics for each pass
        outputs = [tensor(model.extract_feat(part, 'backbone'))
                   for part in inputs]
        del outputs[-1]  # a pass that is never trained with
        sum((n + 1) * (out**2).sum() for n, out in enumerate(
            outputs)).backward()
        results.append([p.grad for p in model.backbone.parameters()])
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


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


@pytest.mark.parametrize('backend, places', [
    ('torch', ['layer4.0']),
    pytest.param('torch', ['layer4.0', 'layer3.1'], marks=pytest.mark.slow),
    pytest.param('triton', ['layer4.0', 'layer3.1'], marks=pytest.mark.slow)])
def test_a_compiled_backbone_mixes_alike(backend, places):
    """With no new graphs for every step, and with the kernels in one each."""
    if backend == 'triton':
        pytest.importorskip('triton')
    model = build(PREACT, places, mixer=dict(backend=backend))
    model.eval()
    compiled = copy.deepcopy(model)
    graphs, counts = [], []

    def count(graph, inputs):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compiled.backbone.compile(backend=count, fullgraph=backend == 'triton')
    for step in range(2):
        for mode, place in [('feat', 0.), ('feat_swap', .9), ('embed', 0.)]:
            torch.manual_seed(step)
            plan = alignmix_plan(mode, torch.rand(3), torch.randperm(3), place)
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
