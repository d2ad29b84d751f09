"""Mixed labels with the heads and losses of MMPretrain's configs."""
import copy
import time

import pytest
import torch
import torch.nn.functional as F
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.models import losses
from mmpretrain.registry import MODELS, TRANSFORMS
from mmpretrain.structures import DataSample
from place_models import DEIT, VIT
from saliency_method import batch
from small_run import small_config, write_images

from alignmix_mm.mixing import MODES

CLASSES = 3
LABELS = (0, 2, 2, 1, 0, 1)
EPS = .1


def linear(type='LinearClsHead', width=8, **options):
    return dict(type=type, num_classes=CLASSES, in_channels=width, **options)


def smooth(**options):
    return dict(type='LabelSmoothLoss', label_smooth_val=EPS, **options)


def loss(type, **options):
    return dict(loss=dict(type=type, **options))


# by definition, for soft labels y; means over the batch, sums over classes
def ce(logits, y):
    return -(y * logits.log_softmax(1)).sum(1).mean()


def bce(logits, y):
    return bce_of_classes(logits, y).sum(1).mean()


def bce_of_classes(logits, y):
    return -(y * F.logsigmoid(logits) + (1 - y) * F.logsigmoid(-logits))


def focal(logits, y, gamma=2., alpha=.25):
    p = logits.sigmoid()
    wrong = (1 - p) * y + p * (1 - y)
    weight = alpha * y + (1 - alpha) * (1 - y)
    return (bce_of_classes(logits, y) * weight * wrong**gamma).sum(1).mean()


def asymmetric(logits, y, gamma=4., clip=.05):
    p = logits.sigmoid()
    right = (1 - p + clip).clamp(max=1) * (1 - y) + p * y
    return -(right.log() * (1 - right)**(gamma * (1 - y))).sum(1).mean()


def softmax_bce(logits, y):
    p = logits.softmax(1)
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean()


def smoothed(of, eps=EPS):
    return lambda logits, y: of(logits, y * (1 - eps) + eps / CLASSES)


CONFORMER = dict(type='Conformer', base_channels=8, mlp_ratio=1., arch=dict(
    embed_dims=12, channel_ratio=1, num_heads=2, depths=3))
POOL = dict(type='GlobalAveragePooling')
CNN = dict(backbone=dict(type='TwoConvolutions', channels=8), neck=POOL,
           at='first')
SIGMOID = loss('CrossEntropyLoss', use_sigmoid=True)
# head, its loss for soft labels, and the rest of the network
HEADS = {
    'ce': (linear(), ce, CNN),
    'ce_soft': (linear(**loss('CrossEntropyLoss', use_soft=True)), ce, CNN),
    'smooth': (linear(loss=smooth(mode='original')), smoothed(ce), CNN),
    'classy': (linear(loss=smooth(mode='classy_vision')),
               smoothed(ce, EPS / (1 + EPS)), CNN),
    'smooth_bce': (linear(loss=smooth(use_sigmoid=True)), smoothed(bce), CNN),
    'bce': (linear(**SIGMOID), bce, CNN),
    'focal': (linear(**loss('FocalLoss')), focal, CNN),
    'softmax_bce': (linear(**loss('SoftmaxBCELoss')), softmax_bce, CNN),
    'multi': (linear('MultiLabelLinearClsHead'), bce, CNN),
    'asymmetric': (linear('MultiLabelLinearClsHead',
                          **loss('AsymmetricLoss')), asymmetric, CNN),
    'csra': (linear('CSRAClsHead', num_heads=2, lam=.1), bce,
             {**CNN, 'neck': None}),
    'arcface': (linear('ArcFaceClsHead'), ce, CNN),
    'subcenters': (linear('ArcFaceClsHead', num_subcenters=3, margins=.2),
                   ce, CNN),
    'stacked': (linear('StackedLinearClsHead', mid_channels=[6]), ce, CNN),
    'vig': (linear('VigClsHead', hidden_dim=6), ce, CNN),
    'levit': (linear('LeViTClsHead', distillation=False), ce, CNN),
    'efficientformer': (linear('EfficientFormerClsHead', distillation=False),
                        ce, CNN),
    'vit': (linear('VisionTransformerClsHead', 24, hidden_dim=6), ce,
            dict(backbone=VIT, at='layers.0')),
    'deit': (linear('DeiTClsHead', 24), ce,
             dict(backbone=DEIT, at='layers.0')),
    'conformer': (linear('ConformerHead', [8 * 4, 12]),
                  lambda logits, y: sum(ce(x, y) for x in logits),
                  dict(backbone=CONFORMER, at='maxpool')),
}
SEVERAL = ('smooth_bce', 'bce', 'focal', 'multi', 'asymmetric', 'csra')
ALIGNMIX = [dict(type='AlignMix', modes=mode) for mode in MODES[:4]]
METHODS = {
    **{augment['modes']: augment for augment in ALIGNMIX},
    'manifold': dict(type='ManifoldMix'),
    'saliency': dict(type='ThreeBySaliency'),
    'fewer': dict(type='ThreeBySaliency', samples=4, part='embedding'),
    'more': dict(type='ThreeBySaliency', samples=7, clean_weight=.5)}


def config(name, augments, **options):
    """Methods mix inside the backbone where there is no map at its end."""
    head, _, rest = copy.deepcopy(HEADS[name])
    at, augments = rest.pop('at'), copy.deepcopy(augments)
    for augment in augments:
        if augment['type'] == 'ManifoldMix':
            augment['at'] = ['input', at]
        elif augment['type'] == 'AlignMix':
            augment['at'] = at
    return {**dict(
        type='AlignMixClassifier', head=head,
        data_preprocessor=dict(num_classes=CLASSES),
        train_cfg=dict(augments=augments)), **rest, **options}


def side(name):
    """Of the images; transformers cut them into patches."""
    return 16 if HEADS[name][2]['at'] == 'first' else 32


def labels_of(name, labels=LABELS):
    return [[label, (label + 1) % CLASSES] if name in SEVERAL else label
            for label in labels]


def one_hot(labels):
    rows = [F.one_hot(torch.as_tensor(label), CLASSES).view(
        -1, CLASSES).sum(0) for label in labels]
    return torch.stack(rows).float()


def logits_of(model, feats, labels):
    """What the loss is computed from; ArcFace has a margin at the label."""
    if hasattr(model.head, 'norm_product'):
        return model.head(feats, torch.as_tensor(labels))
    return model.head(feats)


@pytest.mark.filterwarnings('ignore:MMPretrain cannot train')
@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('name', HEADS)
def test_the_loss_is_that_of_mixed_features_and_labels(name, method):
    model = MODELS.build(config(name, [METHODS[method]])).eval()
    labels, completed = labels_of(name), []
    model.completion.register_forward_hook(
        lambda module, args, output: completed.append(output))
    data = model.data_preprocessor(batch(labels, side(name)), training=True)
    got = model(**data, mode='loss')
    inputs, samples = data['inputs'], data['data_samples']
    if completed:
        inputs, samples = completed[0][:2]
    y = inputs.plan.labels.matrix(len(labels)) @ one_hot(labels)
    torch.testing.assert_close(
        torch.stack([sample.gt_score for sample in samples]), y)
    torch.testing.assert_close(y.sum(1), one_hot(labels).sum(1)[:1].expand(
        len(y)))
    margins = y.argmax(1) if completed else LABELS
    logits = logits_of(model, model.extract_feat(inputs), margins)
    torch.testing.assert_close(got['loss'], HEADS[name][1](logits, y))
    sum(got.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters()
               if p.grad is not None)


@pytest.mark.parametrize('name', HEADS)
def test_evaluation_is_that_of_the_plain_classifier(name):
    model = MODELS.build(config(name, ALIGNMIX)).eval()
    plain = MODELS.build(config(
        name, [], type='ImageClassifier', train_cfg=None)).eval()
    plain.load_state_dict(model.state_dict())
    data = batch(labels_of(name), side(name))
    for one, two in zip(model.val_step(copy.deepcopy(data)),
                        plain.val_step(copy.deepcopy(data))):
        assert torch.equal(one.pred_score, two.pred_score)
        assert torch.equal(one.pred_label, two.pred_label)
        assert torch.equal(one.gt_label, two.gt_label)


@pytest.mark.parametrize('name', HEADS)
def test_weights_of_one_class_may_sum_to_more_by_rounding(name):
    model = MODELS.build(config(name, ALIGNMIX)).eval()
    sample = DataSample().set_gt_label(0).set_gt_score(
        torch.tensor([1 + 2**-23, 0, 0]))
    feats = model.extract_feat(torch.randn(1, 3, side(name), side(name)))
    assert torch.isfinite(model.head.loss(feats, [sample])['loss'])


REFUSED = {
    'SeesawLoss, which counts': linear(
        **loss('SeesawLoss', num_classes=CLASSES)),
    "mode='multi_label', which treats every label above 0": linear(
        'MultiLabelLinearClsHead', loss=smooth(
            mode='multi_label', use_sigmoid=True)),
    'MultiTaskHead, whose labels': dict(
        type='MultiTaskHead', task_heads=dict(
            one=linear(**loss('CrossEntropyLoss'))))}


@pytest.mark.parametrize('method', ['feat', 'manifold', 'saliency'])
@pytest.mark.parametrize('message, head', REFUSED.items())
def test_what_takes_no_soft_labels_is_refused_at_build(message, head, method):
    cfg = {**config('ce', [METHODS[method]]), 'head': copy.deepcopy(head)}
    name = METHODS[method]['type']
    with pytest.raises(ValueError, match=f'soft labels with {name}.*'
                       f'{message}'):
        MODELS.build(cfg)
    MODELS.build({**cfg, 'train_cfg': None})  # it may be evaluated


def test_why_smoothed_labels_of_several_classes_are_refused():
    """The weights of mixed labels make no difference to this loss."""
    head = MODELS.build(REFUSED["mode='multi_label', which treats every label "
                                'above 0'])
    logits = torch.randn(2, CLASSES)
    one, two = (head.loss_module(logits, torch.tensor(
        [[lam, 1 - lam, 0], [0, lam, 1 - lam]])) for lam in (.1, .9))
    assert torch.equal(one, two)


def test_seesaw_is_the_only_loss_that_needs_indices():
    """Of all that MMPretrain has; those of pre-training take no labels."""
    kinds = {name: kind for name, kind in vars(losses).items()
             if isinstance(kind, type)}
    assert set(kinds) == {
        'AsymmetricLoss', 'CrossEntropyLoss', 'FocalLoss', 'LabelSmoothLoss',
        'SeesawLoss', 'CAELoss', 'CosineSimilarityLoss',
        'CrossCorrelationLoss', 'PixelReconstructionLoss', 'SwAVLoss'}
    tried = {head['loss']['type'] for head, *_ in HEADS.values()
             if 'loss' in head}
    assert tried - {'SoftmaxBCELoss'} == set(kinds) - {
        'SeesawLoss', 'CAELoss', 'CosineSimilarityLoss',
        'CrossCorrelationLoss', 'PixelReconstructionLoss', 'SwAVLoss'}
    with pytest.raises(AssertionError, match='`labels` shape'):
        kinds['SeesawLoss'](num_classes=CLASSES)(
            torch.randn(4, CLASSES), torch.full((4, CLASSES), 1 / CLASSES))


@TRANSFORMS.register_module()
class TwoLabels:
    """Two classes for each image."""

    def __call__(self, data):
        data['gt_label'] = labels_of(SEVERAL[0], [int(data['gt_label'])])[0]
        return data


class Listener(Hook):
    """Compute every loss again, by definition."""

    priority = 'VERY_LOW'

    def __init__(self, name):
        self.name = name
        self.steps = []

    def before_train(self, runner):
        model = runner.model
        head_loss, module = model.head.loss, model.head.loss_module

        def listen(feats, samples):
            got = head_loss(feats, samples)
            y = torch.stack([sample.gt_score for sample in samples])
            logits = logits_of(model, feats, torch.cat(
                [sample.gt_label[:1] for sample in samples]))
            expected = (HEADS[self.name][1](logits, y)
                        if model.head.loss_module is module else
                        2 / CLASSES * ce(logits, y))  # of clean images
            torch.testing.assert_close(got['loss'], expected)
            assert y.is_floating_point()
            clean = torch.equal(y, one_hot(
                [sample.gt_label for sample in samples]))
            self.steps.append((runner.epoch, clean))
            return got

        model.head.loss = listen


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('images'), per_class=4)


def train(images, folder, name, **changes):
    """Three epochs of three steps, the last of them without mixing."""
    augments = [dict(type='AlignMix'), METHODS['manifold'],
                dict(type='ThreeBySaliency', samples=3)]
    several = [dict(type='TwoLabels')] if name in SEVERAL else []
    pipeline = [dict(type='LoadImageFromFile'),
                dict(type='Resize', scale=side(name)), *several,
                dict(type='PackInputs')]
    loader = dict(
        batch_size=4, num_workers=0, dataset=dict(
            type='CustomDataset', data_root=str(images), pipeline=pipeline),
        sampler=dict(type='DefaultSampler', shuffle=False))
    # this seed draws all three methods
    cfg = small_config(images, folder, epochs=3, seed=9, **{
        'train_dataloader.batch_size': 4,
        'train_dataloader.dataset.pipeline': pipeline,
        'val_dataloader': loader, 'val_cfg': dict(),
        'val_evaluator': dict(type='MultiLabelMetric') if several else dict(
            type='Accuracy', topk=1), 'train_cfg.val_interval': 1,
        'param_scheduler': [], **changes})
    cfg.model = config(name, augments)
    del cfg.model['data_preprocessor']  # the config's
    cfg.visualizer = dict(type='UniversalVisualizer', vis_backends=[
        dict(type='LocalVisBackend')])
    cfg.custom_hooks = [
        dict(type='MixSchedule', off_last=1), dict(type='ReproducibleHook'),
        dict(type='MixLogHook', interval=1),
        dict(type='MixVisualizationHook', num_pairs=1)]
    cfg.experiment_name = f'{name}_{time.time_ns()}'
    runner = Runner.from_cfg(cfg)
    listener = Listener(name)
    runner.register_hook(listener)
    runner.train()
    listener.logged = set(runner.message_hub.log_scalars)
    return listener, runner.model


FAST = ('ce', 'csra', 'arcface', 'conformer')


@pytest.mark.filterwarnings('ignore:MMPretrain cannot train')
@pytest.mark.parametrize('name', [
    name if name in FAST else pytest.param(name, marks=pytest.mark.slow)
    for name in HEADS])
def test_the_last_epochs_are_those_without_mixing(images, tmp_path, name):
    """Also if they are resumed."""
    listener, model = train(images, tmp_path, name)
    mixed = [clean for epoch, clean in listener.steps if epoch < 2]
    assert not all(mixed)
    last = [clean for epoch, clean in listener.steps if epoch == 2]
    assert last == [True] * 3
    tags = {
        HEADS[name][2]['at'], 'three', 'input', 'embed', 'feat_swap', 'other'}
    assert {f'train/loss_{tag}' for tag in tags} < listener.logged
    rest, resumed = train(images, tmp_path / 'resumed', name, resume=True,
                          load_from=str(tmp_path / 'epoch_2.pth'))
    assert rest.steps == [(2, True)] * 3
    for key, value in model.state_dict().items():
        assert torch.equal(resumed.state_dict()[key], value), key
    assert list(tmp_path.glob('*/vis_data/vis_image/*.png'))
