"""Labels that do not fit are named before anything is computed."""
import copy
import pickle

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

import alignmix_mm  # noqa: F401
from alignmix_mm.mixing import alignmix_plan

SOFT = dict(type='LinearClsHead', num_classes=5, in_channels=8,
            loss=dict(type='CrossEntropyLoss', use_soft=True))
SEVERAL = dict(type='MultiLabelLinearClsHead', num_classes=5, in_channels=8)
SIGMOID = {**SOFT, 'loss': dict(type='CrossEntropyLoss', use_sigmoid=True)}


def build(head=SOFT, modes='input', **preprocessor):
    return MODELS.build(dict(
        type='AlignMixClassifier',
        backbone=dict(type='PreActResNet_CIFAR', base_channels=1),
        neck=dict(type='GlobalAveragePooling'),
        head=copy.deepcopy(head),
        data_preprocessor=preprocessor or dict(num_classes=5),
        train_cfg=dict(augments=[dict(type='AlignMix', modes=modes)])))


def batch(**changed):
    """Three images of classes 0, 1 and 2, the last of them changed."""
    samples = [DataSample().set_gt_label(n) for n in range(3)]
    samples[2].set_field('folder/2.png', 'img_path', field_type='metainfo')
    if 'label' in changed:
        samples[2].set_gt_label(changed['label'])
    for sample in samples if 'score' in changed else ():
        sample.set_gt_score(torch.tensor(changed['score']))
    return dict(inputs=torch.randn(3, 3, 16, 16), data_samples=samples)


def step(model, data):
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    return model.train_step(data, OptimWrapper(optimizer))


@pytest.mark.parametrize('head, changed, message', [
    (SOFT, dict(label=5), r'labels from 0 to 4, but folder/2.png has \[5\].*'
     '`head.num_classes` and `data_preprocessor.num_classes`'),
    (SOFT, dict(label=-1), r'labels from 0 to 4, .*has \[-1\]'),
    (SEVERAL, dict(label=[1, 7]), r'labels from 0 to 4, .*has \[1, 7\]'),
    (SOFT, dict(label=[1, 3]), r'one label for each image, but folder/2.png '
     r'has \[1, 3\].*MultiLabelLinearClsHead'),
    (SOFT, dict(score=[.5, .5, 0, 0]), 'soft labels of 5 finite.*0.5, 0.5, 0'),
    (SOFT, dict(score=[.5, .6, 0, 0, -.1]), 'numbers >= 0'),
    (SOFT, dict(score=[.5, .5, 0, 0, torch.nan]), 'finite'),
    (SOFT, dict(score=[1 / 7] * 7), r'7 numbers, \[0.1429, .*\.\.\.\]'),
])
def test_what_does_not_fit_is_named(head, changed, message):
    with pytest.raises(ValueError, match=message):
        step(build(head), batch(**changed))


def test_images_without_labels_are_named():
    data = batch()
    for sample in data['data_samples']:
        sample.pop('gt_label')
    with pytest.raises(ValueError, match='with labels.*`with_label=False`'):
        step(build(), data)


@pytest.mark.parametrize('head', [SEVERAL, SIGMOID])
def test_several_labels_are_mixed_as_they_are(head):
    """0.5 of each image's classes, or 1 where both have them."""
    model = build(head)
    samples = [DataSample().set_gt_label(label)
               for label in ([0, 3], [1, 3], [3])]
    data = dict(inputs=torch.zeros(3, 3, 16, 16), data_samples=samples)
    augment = model.data_preprocessor.batch_augments.augments[0]
    augment.plan = lambda *args: alignmix_plan(
        'feat', torch.tensor(.5), torch.tensor([1, 0, 2]))
    out = model.data_preprocessor(data, training=True)
    expected = torch.tensor([[.5, .5, 0, 1, 0], [.5, .5, 0, 1, 0],
                             [0, 0, 0, 1, 0]])
    got = torch.stack([sample.gt_score for sample in out['data_samples']])
    assert torch.equal(got, expected)
    loss = step(build(head), dict(
        inputs=torch.randn(3, 3, 16, 16), data_samples=[
            DataSample().set_gt_label(label) for label in ([0, 3], [1], [4])]))
    assert torch.isfinite(loss['loss'])


def test_soft_labels_are_trained_with():
    loss = step(build(), batch(score=[.1, .2, .3, .4, 0]))
    assert torch.isfinite(loss['loss'])


def test_the_number_of_classes_is_the_heads():
    """MMPretrain asks for it in the preprocessor, to make labels one-hot."""
    model = build(mean=[0.] * 3, std=[1.] * 3)
    assert torch.isfinite(step(model, batch())['loss'])
    with pytest.raises(ValueError, match='labels from 0 to 4'):
        step(model, batch(label=5))


def test_predictions_need_no_labels():
    model = build().eval()
    out = model.test_step(dict(inputs=torch.randn(3, 3, 16, 16),
                               data_samples=[DataSample() for _ in range(3)]))
    assert len(out) == 3


def test_models_are_copied_and_pickled():
    for model in copy.deepcopy(build()), pickle.loads(pickle.dumps(build())):
        with pytest.raises(ValueError, match='labels from 0 to 4'):
            step(model, batch(label=9))


def test_the_way_of_distributed_training():
    """MMDistributedDataParallel calls the preprocessor by keyword."""
    with pytest.raises(ValueError, match='labels from 0 to 4'):
        build().data_preprocessor(batch(label=9), training=True)
