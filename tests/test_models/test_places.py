"""Where maps are mixed: named, checked, and drawn for each step."""
from dataclasses import replace

import pytest
import torch
from mmpretrain.registry import MODELS
from place_models import LAM, PERM, PREACT, R18, batch, build, images

from alignmix_mm.mixing import AlignMix, MixBatch, alignmix_plan
from alignmix_mm.models import mixer
from alignmix_mm.models.places import MixPlaces


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
        mixed, mixer.mix_tokens(tokens, plan.features, 0, (32, 18)))
    assert not torch.allclose(mixed, mixer.mix_tokens(tokens, plan.features))


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


@pytest.mark.parametrize('name, near', [
    ('layer4.7', r"\['layer4.1', 'layer4.0'"), ('layr3', "'layer3'"),
    ('backbone.layer4', "'layer4'"), ('', 'Similar'), (3, 'Similar')])
def test_a_wrong_path_fails_at_build_and_names_the_nearest(name, near):
    with pytest.raises(ValueError, match=f'is not a module of ResNet.*{near}'):
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
    by_hand = batch(x).plan.labels
    net = model.backbone
    x = net.layer4[0](net.layer3(net.layer2(net.layer1(net.stem(x)))))
    expected = net.layer4[1](by_hand(x)).mean((2, 3))
    torch.testing.assert_close(result, expected)
    with pytest.raises(ValueError, match='Set them in `neck`'):
        build(PREACT, 'layer4.0', neck, mixer=dict(solver='log'))


@pytest.mark.parametrize('output, message', [
    (torch.rand(3, 7), r'returned a tensor: \(3, 7\)'),
    (torch.ones(3, 4, 2, 2, dtype=torch.int64), 'returned a tensor'),
    ((torch.rand(3, 4, 2, 2), torch.rand(3, 4)), r'tuple.*\(3, 4\)'),
    ({'x': torch.rand(3, 4)}, 'returned dict'),
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


def test_the_number_of_class_tokens_can_be_given(monkeypatch):
    backbone = Odd(None)
    backbone.twice = torch.nn.Flatten(1)
    backbone.inner = torch.nn.Flatten(2)  # (3, 3, 1024): 3 tokens
    model = build(backbone, 'inner', num_extra_tokens=1)
    model.eval()
    seen = []
    mix_tokens = mixer.mix_tokens
    monkeypatch.setattr('alignmix_mm.models.place.mix_tokens',
                        lambda *args: seen.append(args) or mix_tokens(*args))
    model.extract_feat(batch(images()))
    assert seen[0][2] == 1


def test_places_are_drawn_uniformly_and_alike_on_all_ranks():
    backbone = MODELS.build(PREACT)
    names = ['layer1', None, 'layer3']
    places = MixPlaces(names, backbone)
    augment = AlignMix(modes='feat')
    chosen = []
    for _ in range(3000):
        chosen.append(places.choose(augment.draw(torch.empty(2))))
    for name in names:  # 3 standard deviations of a binomial
        assert abs(chosen.count(name) - 1000) < 3 * (3000 * 2 / 9)**.5
    assert places.choose(alignmix_plan('embed', LAM, PERM, .5)) is None
    assert places.choose(None) is None


def test_a_method_can_name_its_place():
    """It wins over `mix_at`, also if the model was built without it."""
    model = build(PREACT, 'layer4.0')
    model.eval()
    x, plan = images(), batch(images()).plan
    elsewhere = replace(plan, at=('layer2', ))
    expected = build(PREACT, 'layer2')
    expected.load_state_dict(model.state_dict())
    expected.eval()
    torch.testing.assert_close(
        model.extract_feat(MixBatch(x, elsewhere)),
        expected.extract_feat(MixBatch(x, plan)))
    with pytest.raises(ValueError, match="mix_at='layer9' is not a module"):
        build(PREACT, None, train_cfg=dict(augments=[
            dict(type='AlignMix', at='layer9')]))


@pytest.mark.parametrize('shape', [(3, 4, 4, 6), (3, 4, 6, 4), (3, 8, 8, 6)])
def test_channels_may_be_last_if_one_says_so(shape):
    """(B, 8, 8, 6) is a map of 8 channels, unless it is said otherwise."""
    x = torch.randn(shape)
    plan = batch(x).plan
    for last in False, True:
        model = build(Odd(x), 'inner', channels_last=last)
        model.backbone.never = model.backbone.twice = torch.nn.Identity()
        seen = []

        def keep(module, args, output, seen=seen):
            seen.append(output)

        model.backbone.inner.register_forward_hook(keep)
        model.extract_feat(batch(images()), 'backbone')
        maps = x.permute(0, 3, 1, 2) if last else x
        expected = plan.features.mix_map(maps)
        torch.testing.assert_close(
            seen[-1], expected.permute(0, 2, 3, 1) if last else expected)
