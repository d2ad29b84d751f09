"""AlignMix/VAE: distributions in the place of embeddings."""
import math

import pytest
import torch
from mmpretrain.registry import MODELS

from alignmix_mm import AlignMixNeck
from alignmix_mm.mixing import alignmix_plan
from alignmix_mm.models.gaussian import Gaussian
from alignmix_mm.models.trace import without_trace

VECTOR = dict(type='LinearEmbedding', in_channels=6 * 16, out_channels=5)
TENSOR = dict(type='ConvEmbedding', in_channels=6, out_channels=5)
PERM = torch.tensor([2, 0, 3, 1])  # not its own inverse
LAM = torch.tensor([.1, .35, .6, .8])


def build(embed, std=.5):
    """An encoder whose distributions differ from image to image."""
    torch.manual_seed(0)
    model = MODELS.build(dict(type='GaussianEmbedding', embed=embed))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=std)
    return model


@pytest.mark.parametrize('embed, parameters', [
    (dict(type='LinearEmbedding', in_channels=8192, out_channels=512),
     2 * 4194816),
    (dict(type='ConvEmbedding', in_channels=512, out_channels=128),
     2 * 262272)])
def test_two_encoders_of_the_papers_sizes(embed, parameters):
    model = MODELS.build(dict(type='GaussianEmbedding', embed=embed))
    assert sum(p.numel() for p in model.parameters()) == parameters
    out = model((torch.randn(2, 512, 4, 4), ))
    assert [part.shape for part in out] == 3 * [(2, 512)]


@pytest.mark.parametrize('embed', [VECTOR, TENSOR])
def test_in_evaluation_it_is_its_mean(embed):
    model, maps = build(embed).eval(), torch.randn(4, 6, 4, 4)
    out = model(maps)
    assert isinstance(out, Gaussian)
    assert torch.equal(out[-1], model.mean(maps)[0])
    log_var, = model.log_var(maps)
    torch.testing.assert_close(out.std, log_var.exp().sqrt())
    assert torch.equal(model(maps).sample, out.sample)


def test_samples_have_its_mean_and_deviation():
    model, maps = build(VECTOR), torch.randn(1, 6, 4, 4)
    out = model.finish(tuple(
        part.expand(40000, -1) for part in model.encode(maps)))
    scores = (out.sample - out.mean) / out.std
    # standard errors of 40,000 draws: .005 and .0035, of covariances .005
    assert scores.mean(0).abs().max() < .025
    assert (scores.std(0) - 1).abs().max() < .02
    assert (scores.T.cov() - torch.eye(5)).abs().max() < .03


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_divergence_is_that_of_torch(dtype):
    mean = torch.randn(7, 5, dtype=dtype)
    std = torch.rand(7, 5, dtype=dtype) * 3 + .01
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, std),
        torch.distributions.Normal(0., 1.)).sum(1)
    result = Gaussian(mean, std, mean).kl_divergence()
    assert result.dtype == torch.float32
    # float32, terms up to 5
    torch.testing.assert_close(result.to(dtype), expected, rtol=1e-5,
                               atol=1e-5)
    zeros = torch.zeros(3, 5)
    assert not Gaussian(zeros, zeros + 1, zeros).kl_divergence().any()


@pytest.mark.parametrize('scale', [1e4, 1e30])
def test_extreme_features_give_finite_distributions(scale):
    model = build(VECTOR)
    out = model(torch.randn(4, 6, 4, 4) * scale)
    assert torch.isfinite(out.std).all() and (out.std > 0).all()
    assert out.std.max() <= math.exp(10) * (1 + 1e-6)
    assert torch.isfinite(out.std.square().log()).all()


@pytest.mark.parametrize('embed', [VECTOR, TENSOR])
def test_mean_and_deviation_are_mixed_with_the_same_weights(embed):
    """Linear in sigma, not in its logarithm; one sample of the mixture."""
    model, maps = build(embed), torch.randn(4, 6, 4, 4)
    plan = alignmix_plan('embed', LAM, PERM)
    mean, std = (part.flatten(1) for part in model.encode(maps))
    torch.manual_seed(1)
    out = AlignMixNeck(model, align=False)((maps, ), plan)
    torch.manual_seed(1)
    noise = torch.randn(4, out.std.shape[1])
    lam = LAM[:, None]
    for part, clean in ((out.mean, mean), (out.std, std)):
        torch.testing.assert_close(
            part, lam * clean + (1 - lam) * clean[PERM])
    torch.testing.assert_close(out.sample, out.mean + out.std * noise)


def test_tensors_move_by_the_alignment_of_the_means():
    """M of a partner is the anchor's in another order; Sigma is not."""
    torch.manual_seed(0)
    model = build(TENSOR)
    mean, std = torch.randn(5, 2, 2) * 3, torch.rand(4, 5, 2, 2)
    order = torch.stack([torch.randperm(4) for _ in range(4)])
    means = torch.stack([mean.flatten(1)[:, o].view(5, 2, 2) for o in order])
    plan = alignmix_plan('embed', LAM, PERM)
    plan = AlignMixNeck(model, eps=1e-3).mixer.complete(plan)
    mixed, deviation = plan.embedding.mix_parts((means, std))
    # exact matches: every mean stays, so position p of the anchor takes the
    # position of the partner that has the same mean
    torch.testing.assert_close(mixed, means, rtol=1e-5, atol=1e-5)
    inverse = order.argsort(1)
    for n, m in enumerate(PERM.tolist()):
        partner = std[m].flatten(1)[:, inverse[m][order[n]]].view(5, 2, 2)
        torch.testing.assert_close(
            deviation[n], LAM[n] * std[n] + (1 - LAM[n]) * partner,
            rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('options', [
    dict(eps=.05), dict(eps=2.), dict(eps=.5, solver='log', num_iters=3)])
def test_means_are_aligned_as_a_map_alone_would_be(options):
    mixer = AlignMixNeck(build(TENSOR), **options).mixer
    plan = alignmix_plan('embed', LAM, PERM)
    mean, std = torch.randn(4, 5, 2, 2), torch.rand(4, 5, 2, 2)
    pairs = mixer.complete(plan).embedding
    mixed, _ = pairs.mix_parts((mean, std))
    # the same operations in another order
    torch.testing.assert_close(mixed, pairs.mix_map(mean), rtol=1e-4,
                               atol=1e-5)


def test_no_gradient_goes_through_the_alignment():
    model = build(TENSOR)
    mixer = AlignMixNeck(model).mixer
    plan = alignmix_plan('embed', torch.full((2, ), .3), torch.tensor([1, 0]))
    mean = torch.randn(2, 5, 2, 2, requires_grad=True)
    std = torch.rand(2, 5, 2, 2, requires_grad=True)
    mixer.complete(plan).embedding.mix_parts((mean, std))[1].sum().backward()
    assert mean.grad is None
    # columns of R sum to one, so every value counts .3 + .7 times
    torch.testing.assert_close(std.grad, torch.ones(2, 5, 2, 2), rtol=1e-5,
                               atol=1e-5)


def test_the_effect_of_alignment_is_measured_without_noise():
    model = build(VECTOR).train()
    maps = torch.randn(4, 6, 4, 4)
    with without_trace(model):
        assert torch.equal(model(maps)[-1], model(maps)[-1])
    assert model.training


def test_half_precision_keeps_deviations_in_float32():
    model, maps = build(VECTOR), torch.randn(4, 6, 4, 4)
    with torch.autocast('cpu', torch.bfloat16):
        out = model(maps)
    assert out.std.dtype == torch.float32 and out.mean.dtype == torch.bfloat16


def test_what_cannot_be_its_encoder_is_named():
    for embed in (dict(type='GlobalAveragePooling'),
                  dict(type='GaussianEmbedding', embed=VECTOR)):
        with pytest.raises(TypeError, match='LinearEmbedding or ConvEmb'):
            MODELS.build(dict(type='GaussianEmbedding', embed=embed))
