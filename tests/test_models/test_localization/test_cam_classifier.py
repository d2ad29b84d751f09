"""Maps come from the pass that predicts, and are what the logits average."""
import copy

import pytest
import torch
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from alignmix_mm import AlignMixClassifier, CAMClassifier

HEAD = dict(type='LinearClsHead', num_classes=5, in_channels=64)
RESNET = dict(type='ResNet_CIFAR', depth=18, stem_channels=8, base_channels=8,
              strides=(1, 2, 2, 1))


def build(cls='CAMClassifier', **options):
    torch.manual_seed(0)
    model = MODELS.build({**dict(
        type=cls, cam='gt', backbone=copy.deepcopy(RESNET),
        neck=dict(type='GlobalAveragePooling'), head=dict(HEAD)), **options})
    model.init_weights()
    for module in model.modules():  # running statistics that matter
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -.1, .1)
    return model.eval()


def samples(labels):
    return [DataSample().set_gt_label(label) for label in labels]


@pytest.fixture
def images():
    return torch.randn(3, 3, 40, 32)


@pytest.mark.parametrize('cls', ['CAMClassifier', 'AlignMixClassifier'])
@pytest.mark.parametrize('cam', ['gt', 'pred'])
def test_mean_and_bias_are_the_logit(images, cls, cam):
    model = build(cls, cam=cam)
    torch.nn.init.normal_(model.head.fc.bias)
    result = model.predict(images, samples([4, 0, 2]))
    logits = model(images)
    plain = MODELS.build(dict(
        type='ImageClassifier', backbone=copy.deepcopy(RESNET),
        neck=dict(type='GlobalAveragePooling'), head=dict(HEAD))).eval()
    plain.load_state_dict(model.state_dict())
    for n, (sample, same) in enumerate(zip(result, plain.predict(images))):
        label = int(sample.cam_label)
        assert label == ([4, 0, 2][n] if cam == 'gt' else logits[n].argmax())
        assert sample.cam.shape == (10, 8)
        assert sample.cam.dtype == torch.float32
        torch.testing.assert_close(
            sample.cam.mean() + model.head.fc.bias[label], logits[n, label])
        # and predictions are those of the plain classifier
        assert torch.equal(sample.pred_score, same.pred_score)
        assert torch.equal(sample.pred_label, same.pred_label)
    if cam == 'gt':  # no ReLU
        assert min(float(sample.cam.min()) for sample in result) < 0


def test_the_map_is_that_of_the_features_behind_the_last_relu(images):
    model = build()
    features = model.backbone(images)[-1]
    assert features.min() == 0
    sample = model.predict(images, samples([1, 1, 3]))[2]
    expected = (model.head.fc.weight[3][:, None, None] * features[2]).sum(0)
    torch.testing.assert_close(sample.cam, expected)


def test_everything_runs_once_and_without_gradient(images):
    model = build()
    calls = []
    model.backbone.register_forward_hook(lambda *_: calls.append('backbone'))
    model.neck.register_forward_hook(lambda *_: calls.append('neck'))
    data = dict(inputs=images, data_samples=samples([0, 1, 2]))
    model.data_preprocessor = torch.nn.Identity()
    model.data_preprocessor.forward = lambda data, training: data
    result = model.test_step(data)
    assert calls == ['backbone', 'neck']
    assert not result[0].cam.requires_grad


def test_two_evaluations_are_the_same(images):
    """No statistics, no dropout and no mixing are active."""
    model = build('AlignMixClassifier', mix_at='layer4.0', train_cfg=dict(
        augments=[dict(type='AlignMix')]),
        head=dict(HEAD, loss=dict(type='CrossEntropyLoss', use_soft=True)))
    first, second = (model.predict(images, samples([0, 1, 2]))
                     for _ in range(2))
    assert all(torch.equal(a.cam, b.cam) for a, b in zip(first, second))
    alone = model.predict(images[1:2], samples([1]))[0].cam
    torch.testing.assert_close(alone, first[1].cam)  # no image sees another


def test_half_precision_gives_maps_of_full_precision(images):
    model = build()
    with torch.autocast('cpu', torch.bfloat16):
        result = model.predict(images, samples([0, 1, 2]))
    exact = model.predict(images, samples([0, 1, 2]))
    for a, b in zip(result, exact):
        assert a.cam.dtype == torch.float32
        # features are bfloat16, the product is not
        torch.testing.assert_close(a.cam, b.cam, rtol=.1,
                                   atol=.05 * float(b.cam.abs().max()))


def test_without_cam_it_is_the_plain_classifier(images):
    sample = build(cam=None).predict(images, samples([0, 1, 2]))[0]
    assert 'cam' not in sample and 'cam_label' not in sample
    assert set(build().state_dict()) == set(build(cam=None).state_dict())


def test_a_diverged_network_is_no_error(images):
    model = build()
    torch.nn.init.constant_(model.head.fc.weight, torch.nan)
    assert model.predict(images, samples([0, 1, 2]))[0].cam.isnan().all()


def test_images_without_labels_need_the_predicted_class(images):
    assert build(cam='pred').predict(images)[0].cam.shape == (10, 8)
    unlabelled = [*samples([1, 2]), DataSample()]
    for data in (None, unlabelled):
        with pytest.raises(ValueError, match="cam='pred'"):
            build().predict(images, data)


@pytest.mark.parametrize('options, message', [
    (dict(cam='all'), "'gt', 'pred' or None"),
    (dict(head=None), 'linear head'),
    (dict(head=dict(type='ArcFaceClsHead', num_classes=5, in_channels=64)),
     'linear head .* ArcFaceClsHead')])
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


@pytest.mark.parametrize('cls, options, message', [
    # more than an average between map and classifier
    ('CAMClassifier', dict(neck=dict(type='GeneralizedMeanPooling')),
     'more than global average pooling'),
    ('AlignMixClassifier', dict(
        neck=dict(type='AlignMixNeck', embed=dict(
            type='LinearEmbedding', in_channels=64 * 80, out_channels=7)),
        head=dict(HEAD, in_channels=7)), r'\(B, 7, h, w\).*\(3, 64, 10, 8\)'),
    ('CAMClassifier', dict(
        backbone=dict(type='VisionTransformer', arch='deit-tiny', img_size=32,
                      patch_size=8), neck=None,
        head=dict(HEAD, in_channels=192)), r'\(B, 192, h, w\)')])
def test_what_has_no_maps_is_refused(cls, options, message):
    model = build(cls, **options)
    images = torch.randn(3, 3, *((32, 32) if 'patch_size' in
                                 options.get('backbone', ()) else (40, 32)))
    with pytest.raises(ValueError, match=message):
        model.predict(images, samples([0, 1, 2]))


def test_mixing_and_localizing_are_two_things():
    assert not issubclass(AlignMixClassifier, CAMClassifier)
    assert not issubclass(CAMClassifier, AlignMixClassifier)
