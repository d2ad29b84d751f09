"""SaliencyMix as a batch augmentation."""
import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from mmpretrain.models import RandomBatchAugment
from mmpretrain.registry import BATCH_AUGMENTS, MODELS
from mmpretrain.structures import DataSample

from alignmix_mm.mixing import SaliencyMix
from alignmix_mm.mixing.draws import STEP_KEY, draws_of_step
from alignmix_mm.mixing.functional import fine_grained_saliency
from alignmix_mm.mixing.functional.misread import misread_saliency

MEAN, STD = (125.3, 123.0, 113.9), (63.0, 62.1, 66.7)
SIZE = 17, 22


@pytest.fixture(autouse=True)
def first_step():
    MessageHub.get_current_instance().runtime_info.pop(STEP_KEY, None)


def batch(samples=7):
    """Every image is a dark one with a bright point; labels are one-hot."""
    rng = np.random.default_rng(0)
    pixels = torch.from_numpy(rng.integers(0, 60, (samples, 3, *SIZE)))
    for image in pixels:
        y, x = (int(rng.integers(side)) for side in SIZE)
        image[:, y, x] = 255
    mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))
    return pixels, (pixels - mean) / std, torch.eye(samples)


def make(**options):
    return SaliencyMix(**{**dict(mean=MEAN, std=STD), **options})


def expected_box(saliency, lam):
    y, x = np.unravel_index(saliency.argmax(), SIZE)
    half = [int(side * np.sqrt(1 - lam)) // 2 for side in SIZE]
    return [slice(max(c - h, 0), min(c + h, side))
            for c, h, side in zip((y, x), half, SIZE)]


@pytest.mark.parametrize('pixel', ['uint8', 'normalized'])
@pytest.mark.parametrize('per', ['batch', 'sample'])
def test_box_of_the_partner_is_pasted(per, pixel):
    pixels, images, scores = batch()
    augment = make(per=per, pixel=pixel)
    lam, perm = augment.choose(7, draws_of_step())
    assert lam.dtype == torch.float64
    assert lam.shape == (() if per == 'batch' else (7, ))
    MessageHub.get_current_instance().runtime_info.pop(STEP_KEY, None)
    mixed, labels = augment(images, scores)
    saliency = (fine_grained_saliency(pixels.to(torch.uint8))
                if pixel == 'uint8' else misread_saliency(images)).numpy()
    for n in range(7):
        # one box for all, where the partner of the first sample is salient
        source, value = ((perm[0], lam) if per == 'batch' else
                         (perm[n], lam[n]))
        rows, columns = expected_box(saliency[source], float(value))
        expected = images[n].clone()
        expected[:, rows, columns] = images[perm[n]][:, rows, columns]
        assert mixed[n].equal(expected)
        pasted = torch.zeros(SIZE)
        pasted[rows, columns] = 1
        label = torch.zeros(7)
        label[n] += 1 - pasted.mean()
        label[perm[n]] += pasted.mean()
        torch.testing.assert_close(labels[n], label, rtol=0, atol=1e-6)
    assert labels.dtype == torch.float32


def test_arguments_stay_as_they_are():
    _, images, scores = batch()
    before = images.clone(), scores.clone()
    make()(images, scores)
    assert images.equal(before[0]) and scores.equal(before[1])


def test_channels_may_be_bgr():
    pixels, images, _ = batch()
    pixels[:, 0] = pixels[:, 0].flip(-1)
    mean, std = (torch.tensor(v).flip(0)[:, None, None] for v in (MEAN, STD))
    bgr = make(mean=MEAN[::-1], std=STD[::-1], channel_order='bgr')
    found = bgr.saliency((pixels.flip(1) - mean) / std)
    assert found.equal(fine_grained_saliency(pixels.to(torch.uint8)))


def test_lambda_is_beta_distributed_and_steps_differ():
    augment = make(alpha=.2, per='sample')
    lam = torch.stack([augment.choose(50, draws_of_step())[0]
                       for _ in range(80)])
    # variance of Beta(a, a); 4 standard errors of 4000 draws are about .03
    assert abs(lam.mean() - .5) < .03
    assert abs(lam.var() - 1 / (4 * (2 * .2 + 1))) < .01
    assert len({float(row[0]) for row in lam}) == 80


def test_draws_follow_torchs_seed():
    def draw(seed):
        torch.manual_seed(seed)
        MessageHub.get_current_instance().runtime_info.pop(STEP_KEY, None)
        lam, perm = make().choose(9, draws_of_step())
        return [float(lam), *perm.tolist()]

    first = draw(1)
    np.random.seed(5)  # what others draw does not matter
    torch.rand(3)
    assert draw(1) == first != draw(2)


def test_works_in_a_plain_classifier_with_others():
    model = MODELS.build(dict(
        type='ImageClassifier',
        data_preprocessor=dict(
            type='ClsDataPreprocessor', num_classes=4, mean=MEAN, std=STD),
        backbone=dict(type='ResNet_CIFAR', depth=18, base_channels=4,
                      stem_channels=4),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=4, in_channels=32,
                  loss=dict(type='CrossEntropyLoss', use_soft=True)),
        train_cfg=dict(augments=[
            dict(type='SaliencyMix', mean=MEAN, std=STD),
            dict(type='CutMix', alpha=1.)], probs=[.5, .3])))
    data = dict(inputs=torch.randint(0, 256, (5, 3, 32, 32),
                                     dtype=torch.uint8),
                data_samples=[DataSample().set_gt_label(n % 4)
                              for n in range(5)])
    for _ in range(4):
        batch = model.data_preprocessor(data, training=True)
        loss = model(**batch, mode='loss')['loss']
        assert loss.isfinite()


def test_is_chosen_with_its_probability():
    _, images, scores = batch()
    augment = RandomBatchAugment(BATCH_AUGMENTS.build(
        dict(type='SaliencyMix', mean=MEAN, std=STD)), probs=.5)
    mixed = sum(not augment(images, scores)[0].equal(images)
                for _ in range(60))
    assert 15 < mixed < 45  # 4 standard deviations


def test_arguments_are_checked():
    with pytest.raises(TypeError, match='mean'):
        SaliencyMix(std=STD)
    for options, match in ((dict(alpha=0), '`alpha`'),
                           (dict(per='image'), "'batch', 'sample'.*'image'"),
                           (dict(pixel='float'), "'uint8', 'normalized'"),
                           (dict(channel_order='gbr'), "'rgb', 'bgr'")):
        with pytest.raises(ValueError, match=match):
            make(**options)
    with pytest.raises(ValueError, match='one-hot'):
        make()(torch.zeros(2, 3, 8, 8), torch.zeros(2))
