import copy
import pickle

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

import alignmix_mm  # noqa: F401
from alignmix_mm.mixing import MixBatch, alignmix_plan

NECK = dict(
    type='AlignMixNeck',
    embed=dict(type='LinearEmbedding', in_channels=8 * 16, out_channels=8))
BACKBONE = dict(type='PreActResNet_CIFAR', base_channels=1)


def build(type='AlignMixClassifier', neck=NECK, augments=None, **options):
    augments = augments or [dict(type='AlignMix')]
    return MODELS.build(dict(
        type=type,
        backbone=BACKBONE,
        neck=copy.deepcopy(neck),
        head=dict(type='LinearClsHead', num_classes=10, in_channels=8,
                  loss=dict(type='CrossEntropyLoss', use_soft=True)),
        data_preprocessor=dict(num_classes=10),
        train_cfg=dict(augments=augments), **options))


def images(n=6):
    return dict(
        inputs=torch.randn(n, 3, 32, 32),
        data_samples=[DataSample().set_gt_label(i % 10) for i in range(n)])


def train_step(model):
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    return model.train_step(images(), OptimWrapper(optimizer))


@pytest.mark.parametrize('mode', ['input', 'embed', 'feat', 'feat_swap'])
@pytest.mark.parametrize('neck', [NECK, dict(type='GlobalAveragePooling')])
def test_one_backbone_forward_and_gradients_everywhere(mode, neck):  # T8
    model = build(neck=neck, augments=[dict(type='AlignMix', modes=mode)])
    model.train()
    calls = []
    model.backbone.register_forward_hook(lambda *args: calls.append(1))
    data = model.data_preprocessor(images(), training=True)
    loss = model(**data, mode='loss')['loss']
    loss.backward()
    assert torch.isfinite(loss)
    assert len(calls) == 1
    tracked = [m.num_batches_tracked for m in model.modules()
               if isinstance(m, torch.nn.BatchNorm2d)]
    assert all(n == 1 for n in tracked)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name


def test_loss_is_that_of_the_mixed_embedding_and_labels():
    model = build(augments=[dict(type='AlignMix', modes='feat')]).eval()
    data = model.data_preprocessor(images(), training=True)
    plan = data['inputs'].plan
    map_, = model.backbone(data['inputs'].images)
    plan = model.neck.mixer.complete(plan)
    e, = model.neck.embed(plan.features.mix_map(map_))
    logits = model.head.fc(e)
    target = plan.labels(torch.eye(10)[:6])
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    loss = model(**data, mode='loss')['loss']
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize('mode', ['embed', 'feat'])
def test_a_neck_that_knows_no_plan_is_mixed_all_the_same(mode):
    model = build(neck=dict(type='GlobalAveragePooling')).eval()
    plan = alignmix_plan(mode, torch.tensor([.1, .5, .8]),
                         torch.tensor([1, 2, 0]))
    x = torch.randn(3, 3, 32, 32) * 100
    mixed, = model.extract_feat(MixBatch(x, plan))
    # after pooling, mixing maps is mixing embeddings
    torch.testing.assert_close(
        mixed, plan.labels(model.extract_feat(x)[0]), atol=1e-4, rtol=1e-4)
    assert (mixed - model.extract_feat(x)[0]).abs().max() > 1e-2


def test_two_lines_are_enough():
    """`model.type` and the augment; names need no import line."""
    model = build(
        'alignmix_mm.AlignMixClassifier',
        neck=dict(type='GlobalAveragePooling'),
        augments=[dict(type='alignmix_mm.AlignMix')])
    assert torch.isfinite(train_step(model)['loss'])


@pytest.mark.parametrize('neck', [
    dict(type='GlobalAveragePooling'),
    dict(type='LinearNeck', in_channels=8, out_channels=8, gap_dim=2)
])
def test_checkpoints_of_the_plain_classifier_fit_both_ways(neck):
    plain = build('ImageClassifier', neck, [dict(type='Mixup', alpha=1.)])
    ours = build(neck=neck)
    assert ours.state_dict().keys() == plain.state_dict().keys()
    ours.load_state_dict(plain.state_dict(), strict=True)
    x = torch.randn(2, 3, 32, 32)
    plain.eval(), ours.eval()
    assert torch.equal(ours(x), plain(x))
    plain.load_state_dict(build(neck=neck).state_dict(), strict=True)


def test_linear_neck_is_mixed_before_and_behind():
    model = build(neck=dict(
        type='LinearNeck', in_channels=8, out_channels=8, gap_dim=2))
    for mode in 'embed', 'feat':
        plan = alignmix_plan(mode, torch.tensor([1., 0., .5]),
                       torch.tensor([1, 2, 0]))
        batch = MixBatch(torch.randn(3, 3, 32, 32), plan)
        assert model.extract_feat(batch)[0].shape == (3, 8)
        assert model.extract_feat(batch, 'backbone')[0].shape == (3, 8, 4, 4)
        assert model.extract_feat(batch, 'pre_logits').shape == (3, 8)
        with pytest.raises(ValueError, match="'backbone', 'neck'"):
            model.extract_feat(batch, 'head')


def test_plain_classifier_fails_at_the_first_step_with_the_remedy():
    model = build('ImageClassifier', dict(type='GlobalAveragePooling'))
    with pytest.raises(TypeError, match="'AlignMixClassifier'"):
        train_step(model)


def test_no_step_mixes_labels_without_features_when_cutmix_is_in_the_list():
    """200 steps; every kind of batch comes, and a plan is always executed."""
    augments = [dict(type='AlignMix'), dict(type='CutMix', alpha=1.0)]
    model = build(augments=augments).eval()
    drawer = model.data_preprocessor.batch_augments
    executed = []
    model.neck.mixer.register_forward_pre_hook(
        lambda module, args: executed.append(args[1]))
    kinds = {'AlignMix': 0, 'CutMix': 0}
    for _ in range(200):
        x = torch.randn(3, 3, 32, 32)
        inputs, scores = drawer(x.clone(), torch.eye(3, 10))
        mixed_labels = not torch.equal(scores, torch.eye(3, 10))
        executed.clear()
        model.extract_feat(inputs)
        if isinstance(inputs, MixBatch):
            kinds['AlignMix'] += 1
            plan, = executed
            assert plan.tag == inputs.plan.tag
            assert plan.labels is inputs.plan.labels
        else:
            kinds['CutMix'] += 1
            assert executed == [None]
            assert not mixed_labels or not torch.equal(inputs, x)
    assert min(kinds.values()) > 60, kinds


def test_evaluation_is_that_of_the_plain_classifier():
    model = build().eval()
    x = torch.randn(2, 3, 32, 32)
    data = model.data_preprocessor(images(2), training=False)
    assert isinstance(data['inputs'], torch.Tensor)
    e, = model.neck.embed(model.backbone(x))
    assert torch.equal(model(x), model.head.fc(e))


def test_modes_that_nobody_executes_fail_at_build_and_in_training():
    with pytest.raises(ValueError, match="'clean'.*AlignMixClassifier"):
        build(augments=[dict(type='AlignMix', modes=('input', 'clean'))])
    plan = alignmix_plan('clean', torch.rand(2), torch.arange(2))
    with pytest.raises(ValueError, match='decoder'):
        build().extract_feat(MixBatch(torch.randn(2, 3, 32, 32), plan))


def test_training_accuracy_of_mixed_labels_is_refused_at_build():
    with pytest.raises(ValueError, match='cal_acc=False'):
        MODELS.build(dict(
            type='AlignMixClassifier', backbone=BACKBONE, neck=NECK,
            head=dict(type='LinearClsHead', num_classes=10, in_channels=8,
                      cal_acc=True),
            data_preprocessor=dict(num_classes=10),
            train_cfg=dict(augments=[dict(type='AlignMix')])))


def test_one_config_builds_twice():
    """RandomBatchAugment appends to `probs`; ours gets a copy."""
    cfg = dict(
        type='AlignMixClassifier', backbone=BACKBONE, neck=NECK,
        head=dict(type='LinearClsHead', num_classes=10, in_channels=8),
        data_preprocessor=dict(num_classes=10),
        train_cfg=dict(augments=[dict(type='AlignMix')], probs=[0.5]))
    before = copy.deepcopy(cfg)
    for _ in range(2):
        MODELS.build(copy.copy(cfg))
    assert cfg['train_cfg'] == before['train_cfg']


def test_without_neck_or_without_augment():
    model = build(neck=None, augments=[dict(type='Mixup', alpha=1.)])
    assert model.extract_feat(torch.randn(2, 3, 32, 32))[0].shape[1:] == (
        8, 4, 4)
    plan = alignmix_plan('embed', torch.rand(2), torch.arange(2))
    out, = model.extract_feat(MixBatch(torch.randn(2, 3, 32, 32), plan))
    assert out.shape == (2, 8, 4, 4)


def test_bf16_autocast_step_is_close_to_float32():
    model = build(augments=[dict(type='AlignMix', modes='feat')]).eval()
    data = model.data_preprocessor(images(), training=True)
    expected = model(**data, mode='loss')['loss']
    with torch.autocast('cpu', torch.bfloat16):
        loss = model(**data, mode='loss')['loss']
    torch.testing.assert_close(loss.float(), expected, rtol=0.05, atol=0.02)


def test_survives_copy_and_pickle():
    model = build(neck=dict(type='GlobalAveragePooling'))
    for clone in copy.deepcopy(model), pickle.loads(pickle.dumps(model)):
        assert torch.isfinite(train_step(clone)['loss'])


def test_an_embedding_that_does_not_fit_the_head_is_named():
    model = build(neck=dict(type='AlignMixNeck', embed=dict(
        type='LinearEmbedding', in_channels=8 * 16, out_channels=9)))
    with pytest.raises(ValueError, match=r'in_channels=8 .*\(6, 9\).* to 9'):
        train_step(model.train())


def test_other_numbers_of_classes_are_named_at_build():
    with pytest.raises(ValueError, match='`head.num_classes`.*10 and 7'):
        MODELS.build(dict(
            type='AlignMixClassifier', backbone=BACKBONE,
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=10, in_channels=8),
            data_preprocessor=dict(num_classes=7)))
