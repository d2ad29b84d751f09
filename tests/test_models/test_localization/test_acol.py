"""ACoL: its head against loops, in training and with its own map."""
import copy

import pytest
import torch
from erasing_loops import acol_by_loops, normalized
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import nn

from alignmix_mm import ACoLHead

RESNET = dict(type='ResNet', depth=18, stem_channels=8, base_channels=8,
              strides=(1, 2, 2, 1))
LABELS = torch.tensor([4, 0, 2])


def make_head(**options):
    torch.manual_seed(0)
    head = ACoLHead(5, 6, 7, **options)
    head.init_weights()
    for module in head.modules():
        if isinstance(module, nn.Conv2d):  # biases that matter
            nn.init.normal_(module.bias, std=.1)
    return head.double()


def make_feats():
    return torch.randn(3, 6, 4, 5, dtype=torch.float64)


def samples(labels):
    return [DataSample().set_gt_label(int(label)) for label in labels]


@pytest.mark.parametrize('threshold', [.5, .7])
@pytest.mark.parametrize('labels', [None, LABELS])
def test_logits_are_those_of_the_loops(threshold, labels):
    head, feats = make_head(drop_threshold=threshold), make_feats()
    before = feats.clone()
    a, b, erased = acol_by_loops(feats, head.state_dict(), threshold, labels)
    assert 3 <= len(erased) < 40
    logits = head.logits((None, feats), labels)
    torch.testing.assert_close(logits, (a.mean((2, 3)), b.mean((2, 3))))
    assert torch.equal(feats, before)
    torch.testing.assert_close(head.logits(feats, labels), logits)
    torch.testing.assert_close(head((feats, )), logits[0])


def test_loss_is_the_sum_and_erases_the_labels_attention():
    head, feats = make_head(cal_acc=True), make_feats()
    a, b, _ = acol_by_loops(feats, head.state_dict(), .7, LABELS)
    expected = sum(-maps.mean((2, 3)).log_softmax(1)[n, k] / 3
                   for maps in (a, b) for n, k in enumerate(LABELS))
    losses = head.loss((feats, ), samples(LABELS))
    torch.testing.assert_close(losses['loss'], expected)
    right = (a.mean((2, 3)).argmax(1) == LABELS).double().mean()
    assert float(losses['accuracy_top-1'][0]) == pytest.approx(
        float(100 * right))
    head.train()
    losses['loss'].backward()
    assert all(p.grad.abs().sum() > 0 for p in head.parameters())


def test_attention_is_detached():
    """Branch A learns from its own logits alone."""
    head, feats = make_head(), make_feats()
    head.logits(feats, LABELS)[1].sum().backward()
    assert all(p.grad is None for p in head.branch_a.parameters())


def test_the_map_is_the_larger_of_both_branches():
    head, feats = make_head(), make_feats()
    result = head.localization_map((feats, ), LABELS)
    a, b, _ = acol_by_loops(feats, head.state_dict(), .7, LABELS)
    for n, k in enumerate(LABELS):
        pairs = zip(*(normalized(maps[n, k].flatten().tolist())
                      for maps in (a, b)))
        expected = torch.tensor([max(pair) for pair in pairs])
        torch.testing.assert_close(result[n].flatten(), expected.double())
    # the prediction has no part in it
    other = head.localization_map(feats, LABELS.flip(0))
    assert not torch.allclose(other, result)


def test_constant_attention_erases_nothing():
    head, feats = make_head(drop_threshold=.1), make_feats()
    nn.init.zeros_(head.branch_a[4].weight)
    a, b = head.logits(feats, LABELS)
    expected = head.branch_b(feats)
    torch.testing.assert_close(b, expected.mean((2, 3)))
    # and the map is that of branch B alone
    for n, (k, cam) in enumerate(zip(
            LABELS, head.localization_map(feats, LABELS))):
        torch.testing.assert_close(cam.flatten(), torch.tensor(normalized(
            expected[n, k].flatten().tolist())).double())


def test_prediction_is_branch_a():
    head, feats = make_head(), make_feats()
    result = head.predict((feats, ), samples(LABELS))
    expected = head.branch_a(feats).mean((2, 3)).softmax(1)
    for sample, score in zip(result, expected):
        torch.testing.assert_close(sample.pred_score, score)
        assert sample.pred_label == score.argmax()


def test_mixed_labels_erase_the_attention_to_all_by_weight():
    head = make_head(loss=dict(type='CrossEntropyLoss', use_soft=True))
    feats, weights = make_feats(), torch.rand(3, 5).double().softmax(1)
    data = [DataSample().set_gt_score(row) for row in weights]
    a, b = head.logits(feats, weights)
    maps = head.branch_a(feats)
    attended = sum(weights[:, k, None, None] * maps[:, k] for k in range(5))
    kept = feats.clone()
    for n in range(3):
        for m, value in enumerate(normalized(attended[n].flatten().tolist())):
            if value >= .7:
                kept[n, :, m // 5, m % 5] = 0
    torch.testing.assert_close(b, head.branch_b(kept).mean((2, 3)))
    loss = head.loss((feats, ), data)['loss']
    torch.testing.assert_close(loss, -sum(
        (weights * x.log_softmax(1)).sum(1).mean() for x in (a, b)))
    # whoever is certain gets what a label gets
    certain = torch.eye(5).double()[LABELS]
    torch.testing.assert_close(head.logits(feats, certain),
                               head.logits(feats, LABELS))


def test_initialization():
    head = ACoLHead(200, 64, 32)
    head.init_weights()
    bound = (6 / (9 * (64 + 32)))**.5  # Xavier, uniform
    weight = head.branch_b[0].weight.detach()
    assert weight.abs().max() <= bound
    assert float(weight.std()) == pytest.approx(bound / 3**.5, rel=.02)
    assert not head.branch_b[0].bias.any()
    head = ACoLHead(200, 64, 32, init_cfg=dict(
        type='Kaiming', layer='Conv2d'))
    head.init_weights()
    assert float(head.branch_a[0].weight.detach().std()) == pytest.approx(
        (2 / (9 * 32))**.5, rel=.03)  # He, fan out


@pytest.mark.parametrize('threshold', [0, -1, 1.1, float('nan')])
def test_thresholds_out_of_range_are_refused(threshold):
    with pytest.raises(ValueError, match=rf'\(0, 1\], but got {threshold}'):
        ACoLHead(5, 6, drop_threshold=threshold)


def build(cls='CAMClassifier', **options):
    torch.manual_seed(0)
    model = MODELS.build({**dict(
        type=cls, cam='gt', backbone=copy.deepcopy(RESNET), head=dict(
            type='ACoLHead', num_classes=5, in_channels=64,
            mid_channels=16, loss=dict(
                type='CrossEntropyLoss', use_soft=cls != 'CAMClassifier'))),
        **options})
    model.init_weights()
    return model


@pytest.mark.parametrize('cam', ['gt', 'pred'])
def test_the_classifier_attaches_its_map(cam):
    model, images = build(cam=cam).eval(), torch.randn(3, 3, 64, 48)
    result = model.predict(images, samples(LABELS))
    feats = model.backbone(images)
    logits = model.head(feats)
    labels = LABELS if cam == 'gt' else logits.argmax(1)
    expected = model.head.localization_map(feats, labels)
    for n, sample in enumerate(result):
        assert sample.cam.dtype == torch.float32
        assert sample.cam.shape == (4, 3) and not sample.cam.requires_grad
        assert int(sample.cam_label) == labels[n]
        torch.testing.assert_close(sample.cam, expected[n])
        torch.testing.assert_close(
            sample.pred_score, logits[n].softmax(0))


def test_half_precision_gives_maps_in_float32():
    model, images = build().eval(), torch.randn(3, 3, 64, 48)
    with torch.autocast('cpu', torch.bfloat16):
        result = model.predict(images, samples(LABELS))
    assert all(sample.cam.dtype == torch.float32 for sample in result)


@pytest.mark.parametrize('augment', [
    dict(type='Mixup', alpha=1.), dict(type='CutMix', alpha=1.),
    *(dict(type='AlignMix', alpha=1., modes=[mode])
      for mode in ('input', 'embed', 'feat', 'feat_swap'))])
@pytest.mark.parametrize('mix_at', [None, 'layer4.0'])
def test_it_trains_with_mixing(augment, mix_at):
    model = build('AlignMixClassifier', mix_at=mix_at,
                  data_preprocessor=dict(num_classes=5),
                  train_cfg=dict(augments=[augment])).train()
    data = model.data_preprocessor(dict(
        inputs=list(torch.randn(4, 3, 64, 64)),
        data_samples=samples(range(4))), True)
    model(**data, mode='loss')['loss'].backward()
    for parameter in model.parameters():
        assert parameter.grad.isfinite().all()
    assert model.eval().predict(torch.randn(2, 3, 64, 64),
                                samples([0, 1]))[0].cam.shape == (4, 4)


def test_a_neck_that_pools_is_named():
    model = build(neck=dict(type='GlobalAveragePooling'))
    with pytest.raises(ValueError, match=r'\(B, 64, h, w\).*\(2, 64\).*neck'):
        model.predict(torch.randn(2, 3, 64, 64), samples([0, 1]))
