"""Algorithm 1 with a decoder: which parameters learn, from what."""
import copy

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from alignmix_mm import MixBatch
from alignmix_mm.mixing import MODES, alignmix_plan

MEAN, STD = [120., 110., 100.], [60., 50., 70.]


def config(modes=MODES, **options):
    return {**dict(
        type='AlignMixAEClassifier',
        backbone=dict(type='ResNet_CIFAR', depth=18, stem_channels=8,
                      base_channels=8, strides=(2, 2, 2, 1)),
        neck=dict(type='AlignMixNeck', embed=dict(
            type='LinearEmbedding', in_channels=64 * 16, out_channels=12)),
        head=dict(type='LinearClsHead', num_classes=4, in_channels=12,
                  loss=dict(type='CrossEntropyLoss', use_soft=True)),
        decoder=dict(type='ResidualDecoder', in_channels=12,
                     widths=(8, 8, 8, 8)),
        train_cfg=dict(augments=[dict(type='AlignMix', modes=modes)]),
        data_preprocessor=dict(
            type='ClsDataPreprocessor', mean=MEAN, std=STD, num_classes=4)),
        **options}


def build(*args, **options):
    torch.manual_seed(0)
    model = MODELS.build(config(*args, **options))
    model.init_weights()
    return model.train()


def plan(mode, size=6):
    return alignmix_plan(mode, torch.rand(size), torch.randperm(size))


def samples(size=6):
    return [DataSample().set_gt_label(n % 4).set_gt_score(
        torch.eye(4)[n % 4]) for n in range(size)]


def losses_of(model, mode, images=None):
    images = torch.randn(6, 3, 32, 32) if images is None else images
    return model(MixBatch(images, plan(mode)), samples(), mode='loss')


def has_gradient(module):
    found = {p.grad is not None for p in module.parameters()}
    assert len(found) == 1  # all or none
    return found.pop()


@pytest.mark.parametrize('mode', MODES)
def test_which_parameters_learn_in_each_mode(mode):
    model = build()
    losses = losses_of(model, mode)
    sum(losses.values()).backward()
    clean = mode == 'clean'
    assert list(losses) == ['loss_reconstruction' if clean else 'loss']
    assert has_gradient(model.backbone) and has_gradient(model.neck)
    assert has_gradient(model.decoder) == clean
    assert has_gradient(model.head) != clean


@pytest.mark.parametrize('mode', MODES)
def test_statistics_of_the_decoder_see_clean_batches_alone(mode):
    model = build()
    counts = {name: int(value) for name, value in model.state_dict().items()
              if name.endswith('num_batches_tracked')}
    losses_of(model, mode)
    if mode in ('feat', 'feat_swap'):  # the report of the first batch
        losses_of(model, mode)
    after = model.state_dict()
    for name, before in counts.items():
        passes = 2 if mode in ('feat', 'feat_swap') else 1
        if name.startswith('decoder.'):
            passes = int(mode == 'clean')
        assert int(after[name]) - before == passes, name


def test_the_loss_is_the_squared_error_of_images_in_the_decoders_range():
    for reduction, divisor in (('mean', 6 * 3 * 32 * 32), ('sum', 6)):
        model = build(reduction=reduction, loss_weight=.5)
        pixels = torch.randint(0, 256, (6, 3, 32, 32)).float()
        std, mean = (torch.tensor(v).view(3, 1, 1) for v in (STD, MEAN))
        images = (pixels - mean) / std
        twin = copy.deepcopy(model)
        decoded = twin.reconstruct(images)
        assert decoded.abs().max() <= 1
        expected = .5 * ((decoded - (pixels / 127.5 - 1))**2).sum() / divisor
        loss = losses_of(model, 'clean', images)['loss_reconstruction']
        # float32 sums of 18,432 terms
        torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0.)


def test_mixing_is_that_of_the_classifier_without_decoder():
    model = build()
    options = config(modes=('input', 'embed', 'feat', 'feat_swap'))
    options.pop('decoder')
    plain = MODELS.build({**options, 'type': 'AlignMixClassifier'}).train()
    state = {key: value for key, value in model.state_dict().items()
             if not key.startswith('decoder.')}
    plain.load_state_dict(state)
    images = torch.randn(6, 3, 32, 32)
    for mode in ('input', 'embed', 'feat', 'feat_swap'):
        torch.manual_seed(1)
        mine = losses_of(model, mode, images)['loss']
        torch.manual_seed(1)
        assert torch.equal(mine, losses_of(plain, mode, images)['loss'])
    # and a checkpoint of either is one of the other's but for the decoder
    model.eval(), plain.eval()
    plain.load_state_dict(state)
    assert torch.equal(model(images), plain(images))


def test_batches_of_other_augmentations_are_classified():
    losses = build()(torch.randn(6, 3, 32, 32), samples(), mode='loss')
    assert list(losses) == ['loss']


def test_training_learns_to_reconstruct():
    model = build(modes=('clean', ))
    # ten flat images of different colours
    colours = torch.randint(0, 256, (10, 3, 1, 1)).expand(-1, -1, 32, 32)
    wrapper = OptimWrapper(torch.optim.Adam(model.parameters(), 3e-3))
    losses = []
    for _ in range(60):
        data = dict(inputs=colours.to(torch.uint8), data_samples=[
            DataSample().set_gt_label(n % 4) for n in range(10)])
        losses.append(float(
            model.train_step(data, wrapper)['loss_reconstruction'].detach()))
    # colours have a variance of about 1/3 in [-1, 1]
    assert losses[0] > .2 and losses[-1] < .05


def test_modes_are_drawn_equally_often():
    model = build()
    augment = model.data_preprocessor.batch_augments.augments[0]
    drawn = [augment.draw(torch.empty(2)).tag for _ in range(2000)]
    for mode in MODES:  # standard error .009
        assert drawn.count(mode) / 2000 == pytest.approx(.2, abs=.03)


VAE = dict(type='AlignMixNeck', embed=dict(
    type='GaussianEmbedding', embed=dict(
        type='LinearEmbedding', in_channels=64 * 16, out_channels=12)))


@pytest.mark.parametrize('mode', MODES)
def test_which_parameters_of_the_vae_learn_in_each_mode(mode):
    model = build(neck=VAE)
    losses = losses_of(model, mode)
    sum(losses.values()).backward()
    clean = mode == 'clean'
    assert list(losses) == (
        ['loss_reconstruction', 'loss_kl'] if clean else ['loss'])
    assert has_gradient(model.backbone)
    for encoder in (model.neck.embed.mean, model.neck.embed.log_var):
        assert has_gradient(encoder)
        assert all(p.grad.abs().sum() > 0 for p in encoder.parameters())
    assert has_gradient(model.decoder) == clean
    assert has_gradient(model.head) != clean


@pytest.mark.parametrize('options, weight', [
    (dict(), 1 / 3072), (dict(loss_weight=.5), .5 / 3072),
    (dict(reduction='sum'), 1.), (dict(kl_weight=.25, loss_weight=2.), .25),
    (dict(kl_weight=0.), 0.)])
def test_the_divergence_has_its_weight(options, weight):
    """By default 1 beside a sum over 3x32x32 values, at the same scale."""
    model = build(neck=VAE, **options)
    images = torch.randn(6, 3, 32, 32)
    mean, std, _ = copy.deepcopy(model).extract_feat(images)
    normal = torch.distributions.Normal
    divergence = torch.distributions.kl_divergence(
        normal(mean, std), normal(0., 1.)).sum() / 6
    loss = losses_of(model, 'clean', images)['loss_kl']
    # float32 sums of 72 terms
    torch.testing.assert_close(loss, weight * divergence, rtol=1e-4, atol=0.)


def test_the_vae_decodes_and_classifies_means_in_evaluation():
    model = build(neck=VAE).eval()
    images = torch.randn(3, 3, 32, 32)
    mean = model.neck.embed.mean(model.backbone(images))[0]
    assert torch.equal(model.extract_feat(images)[-1], mean)
    assert torch.equal(model.reconstruct(images), model.decoder(mean))
    predicted = model(images, samples(3), mode='predict')
    scores = torch.stack([sample.pred_score for sample in predicted])
    torch.testing.assert_close(scores, model.head.fc(mean).softmax(1))


@pytest.mark.parametrize('options, message', [
    (dict(kl_weight=1.), 'GaussianEmbedding'),
    (dict(reduction='none'), "'mean', 'sum'"),
    (dict(data_preprocessor=dict(type='ClsDataPreprocessor', num_classes=4)),
     'range of the images')])
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_another_size_is_refused():
    model = build(decoder=dict(type='ResidualDecoder', in_channels=12,
                               widths=(8, 8)))
    with pytest.raises(ValueError, match=r'\(6, 3, 32, 32\).*\(6, 3, 8, 8\)'):
        losses_of(model, 'clean')


def test_the_plain_classifier_names_this_one():
    options = config()
    options.pop('decoder')
    with pytest.raises(ValueError, match='AlignMixAEClassifier'):
        MODELS.build({**options, 'type': 'AlignMixClassifier'})


@pytest.mark.parametrize('mode', MODES)
def test_a_decoder_that_does_not_fit_is_named_in_every_mode(mode):
    model = build(decoder=dict(type='ResidualDecoder', in_channels=9,
                               widths=(8, 8, 8, 8)))
    with pytest.raises(ValueError, match='decoder.in_channels=9 .* 12'):
        losses_of(model, mode)
