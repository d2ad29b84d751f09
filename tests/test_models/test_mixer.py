"""T1 to T4 of the plan and feature arithmetic, at the level of MapMixer."""
import numpy as np
import ot
import pytest
import torch
from mmpretrain.models.necks import GlobalAveragePooling

from alignmix_mm.mixing import AlignMix, alignmix_plan
from alignmix_mm.mixing.blocks import block_size
from alignmix_mm.models import LinearEmbedding
from alignmix_mm.models.mixer import MapMixer, mix_tokens
from alignmix_mm.ops import assignment
from alignmix_mm.ops.cost import cross_cost

LAM = torch.tensor([0.15, 0.4, 0.75, 0.95])
PERM = torch.tensor([2, 0, 3, 1])  # not its own inverse
FEATURES = ['feat', 'feat_swap']


def mix_map(x, plan, **options):
    return MapMixer(**options).complete(plan).features.mix_map(x)


def mix_patches(x, plan, *args, **options):
    return mix_tokens(x, MapMixer(**options).complete(plan).features, *args)


def gap(x):
    return GlobalAveragePooling()((x, ))[0]


@pytest.mark.parametrize('mode', ['input', 'embed', *FEATURES])
def test_features_and_labels_get_the_same_weights(mode):  # T1
    """Maps that say nothing but the class: pooled, they are the label."""
    labels = torch.eye(5)[[0, 3, 1, 4]]
    images = labels.view(4, 5, 1, 1).expand(-1, -1, 3, 3).contiguous()
    augment = AlignMix(modes=mode)
    augment.plan = lambda *args: alignmix_plan(mode, LAM, PERM)
    batch, targets = augment(images, labels)
    pooled = MapMixer()((batch.images, ), batch.plan,
                        GlobalAveragePooling())[0]
    # convex combinations of 0 and 1 by plans exact to 2e-6
    torch.testing.assert_close(pooled, targets, atol=1e-5, rtol=0)


@pytest.mark.parametrize('mode', FEATURES)
def test_a_shifted_copy_is_moved_back(mode):  # T2
    a = torch.randn(1, 8, 4, 4) * 5
    shifted = a.flatten(2).roll(3, dims=2).view_as(a)
    batch = torch.cat([a, shifted, a + 100])  # sample 0 is paired with 1
    plan = alignmix_plan(mode, torch.zeros(3), torch.tensor([1, 2, 0]))
    mixed = mix_map(batch, plan)[0:1]
    expected = a if mode == 'feat' else shifted  # geometry of the anchor
    torch.testing.assert_close(mixed, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize('align', [True, False])
@pytest.mark.parametrize('mode', FEATURES)
def test_lambda_one_leaves_the_anchor(mode, align):  # T2b
    x = torch.randn(4, 6, 3, 5)
    mixed = mix_map(x, alignmix_plan(mode, torch.ones(4), PERM),
                    align=align)
    assert torch.equal(mixed, x if mode == 'feat' else x[PERM])


@pytest.mark.parametrize('mode', FEATURES)
def test_gradients_of_both_branches(mode):  # T3
    x = torch.randn(4, 6, 3, 3, dtype=torch.float64, requires_grad=True)
    lam = LAM.double()
    weights = torch.randn_like(x)
    plan = alignmix_plan(mode, lam, PERM)
    (mix_map(x, plan) * weights).sum().backward()

    anchors = torch.arange(4) if mode == 'feat' else PERM
    partners = PERM if mode == 'feat' else torch.arange(4)
    maps, w = x.detach().flatten(2), weights.flatten(2)
    expected = torch.zeros_like(maps)
    R = assignment(cross_cost(maps[anchors], maps[partners])).double()
    for i in range(4):
        expected[anchors[i]] += lam[i] * w[i]
        expected[partners[i]] += (1 - lam[i]) * w[i] @ R[i]
    torch.testing.assert_close(
        x.grad.flatten(2), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize('mode', FEATURES)
def test_behind_pooling_a_converged_alignment_is_a_no_op(mode):  # T4
    x = torch.randn(4, 16, 4, 4) * 3
    plan = alignmix_plan(mode, LAM, PERM)
    aligned = mix_map(x, plan)
    plain = mix_map(x, plan, align=False)
    assert (aligned - plain).abs().mean() > 0.5  # the maps differ
    torch.testing.assert_close(gap(aligned), gap(plain), atol=2e-5, rtol=0)


def test_behind_a_linear_embedding_alignment_matters():  # T4
    x = torch.randn(4, 16, 4, 4) * 3
    plan = alignmix_plan('feat', LAM, PERM)
    f = LinearEmbedding(256, 32)
    aligned, = MapMixer()((x, ), plan, f)
    plain, = MapMixer(align=False)((x, ), plan, f)
    assert (aligned - plain).norm() > 0.3 * plain.norm()


def test_before_convergence_pooling_sees_the_plan():
    """The finding about the plain iteration: its marginals are far off."""
    x = torch.randn(4, 64, 4, 4) * 3
    plan = alignmix_plan('feat', LAM, PERM)
    paper = mix_map(x, plan, solver='log')
    plain = mix_map(x, plan, align=False)
    assert (gap(paper) - gap(plain)).abs().max() > 1e-2


def test_unaligned_modes_are_manifold_mixup():
    x = torch.randn(4, 6, 3, 3)
    plan = alignmix_plan('feat', LAM, PERM)
    lam = LAM.view(4, 1, 1, 1)
    torch.testing.assert_close(
        mix_map(x, plan, align=False), lam * x + (1 - lam) * x[PERM])


def test_only_one_thing_is_mixed():
    x = torch.randn(4, 6, 3, 3)
    embed = GlobalAveragePooling()
    clean, = embed((x, ))
    for mode in 'input', 'clean':
        out, = MapMixer()((x, ), alignmix_plan(mode, LAM, PERM), embed)
        assert torch.equal(out, clean)
    plan = alignmix_plan('embed', LAM, PERM)
    out, = MapMixer()((x, ), plan, embed)
    torch.testing.assert_close(out, plan.labels(clean))


def test_all_embeddings_are_mixed():
    x, plan = torch.randn(4, 6, 3, 3), alignmix_plan('embed', LAM, PERM)
    both = MapMixer()((x, ), plan, lambda feats: (gap(x), gap(x) * 2))
    for factor, out in enumerate(both, 1):
        torch.testing.assert_close(out, plan.labels(gap(x)) * factor)
    bare = MapMixer()(x, plan, lambda feats: gap(feats))
    torch.testing.assert_close(bare, plan.labels(gap(x)))


@pytest.mark.parametrize('feats, message', [
    ((torch.zeros(4, 8), ), r'returned \(4, 8\).*gap_before_final_norm'),
    ((torch.zeros(4, 8, 4, 4), ) * 2, 'returned 2.*out_indices'),
    (([torch.zeros(4, 8, 2, 2)], ), 'returned list'),
])
def test_what_is_no_map_is_named(feats, message):
    with pytest.raises(ValueError, match=message):
        MapMixer()(feats, alignmix_plan('feat', LAM, PERM),
                   GlobalAveragePooling())


@pytest.mark.parametrize('size, side', [
    ((4, 4), 1), ((16, 16), 1), ((17, 15), 1), ((18, 20), 2), ((28, 28), 2),
    ((48, 48), 3), ((56, 56), 4), ((112, 112), 7), ((64, 48), 4),
    ((24, 90), 3), ((1, 256), 1)])
def test_blocks_are_the_smallest_that_leave_256(size, side):
    assert block_size(size) == side


@pytest.mark.parametrize('size', [(17, 17), (38, 38), (1, 257),
                                  (20, 17), (17, 20), (512, 512)])
def test_maps_that_blocks_do_not_divide_are_refused(size):
    with pytest.raises(ValueError, match=f'but got {size[0]}x{size[1]}.*Mix '
                       'at a deeper place.*align_size'):
        block_size(size)


def golden_blocks(a, b, lam, eps, side):
    """Blocks are moved by POT's plan for the mean cost of their positions."""
    c, h, w = a.shape
    corners = [(y, x) for y in range(0, h, side) for x in range(0, w, side)]
    cut = [np.stack([m[:, y:y + side, x:x + side] for y, x in corners])
           for m in (a, b)]
    cost = ((cut[0][:, None] - cut[1][None])**2).sum(2).mean((2, 3))
    n = len(corners)
    plan = n * ot.sinkhorn([1 / n] * n, [1 / n] * n, cost, eps,
                           method='sinkhorn_log', stopThr=1e-12)
    moved = np.einsum('ij,jcyx->icyx', plan, cut[1])
    out = np.zeros_like(a)
    for (y, x), block in zip(corners, lam * cut[0] + (1 - lam) * moved):
        out[:, y:y + side, x:x + side] = block
    return out


@pytest.mark.parametrize('mode', FEATURES)
def test_large_maps_are_aligned_in_blocks(mode):
    x = torch.randn(4, 3, 18, 20, dtype=torch.float64)  # 90 blocks of 2x2
    mixed = mix_map(x, alignmix_plan(mode, LAM, PERM), eps=.5)
    maps = x.numpy()
    for n in range(4):
        pair = [maps[n], maps[PERM[n]]]
        a, b = pair if mode == 'feat' else pair[::-1]
        golden = golden_blocks(a, b, float(LAM[n]), .5, 2)
        # the plan is float32, eps is a tenth of the costs
        np.testing.assert_allclose(mixed[n], golden, atol=2e-5)
    # every position is used once: pooling sees nothing
    torch.testing.assert_close(
        gap(mixed), gap(alignmix_plan(mode, LAM, PERM).labels(x)),
        atol=2e-5, rtol=0)


def test_gradients_flow_through_blocks():
    x = torch.randn(2, 3, 18, 20, requires_grad=True)
    plan = alignmix_plan('feat', torch.tensor([1., 0.]), torch.tensor([1, 0]))
    mix_map(x, plan)[0].sum().backward()
    assert torch.equal(x.grad[0], torch.ones_like(x[0]))
    assert torch.equal(x.grad[1], torch.zeros_like(x[1]))


@pytest.mark.parametrize('mode', FEATURES)
@pytest.mark.parametrize('extra', [0, 1, 2])
def test_class_tokens_are_mixed_as_they_are_and_patches_aligned(mode, extra):
    x = torch.randn(4, extra + 15, 6)
    plan = alignmix_plan(mode, LAM, PERM)
    mixed = mix_patches(x, plan, extra)
    torch.testing.assert_close(mixed[:, :extra], plan.labels(x)[:, :extra])
    as_map = x[:, extra:].transpose(1, 2).reshape(4, 6, 3, 5)
    expected = mix_map(as_map, plan)
    torch.testing.assert_close(
        mixed[:, extra:], expected.flatten(2).transpose(1, 2))
    assert (mixed - plan.labels(x))[:, extra:].abs().mean() > .1
    torch.testing.assert_close(
        mix_patches(x, plan, extra, align=False), plan.labels(x))


def test_many_tokens_are_aligned_in_blocks_of_their_grid():
    x, plan = torch.randn(4, 576, 3), alignmix_plan('feat', LAM, PERM)
    for grid in None, (24, 24), (32, 18):
        mixed = mix_patches(x, plan, 0, grid)
        as_map = x.transpose(1, 2).reshape(4, 3, *(grid or (24, 24)))
        expected = mix_map(as_map, plan)
        torch.testing.assert_close(
            mixed, expected.flatten(2).transpose(1, 2))


@pytest.mark.parametrize('tokens, grid, message', [
    (258, None, '256 patches or a square of them, but got 258'),
    (577, None, 'but got 577'), (15, (4, 4), 'Expected 16 patches.*got 15')])
def test_tokens_that_are_no_grid_are_named(tokens, grid, message):
    with pytest.raises(ValueError, match=message):
        mix_patches(torch.randn(4, tokens, 3),
                    alignmix_plan('feat', LAM, PERM), 0, grid)


def test_nested_embeddings_are_mixed():
    """DeiT returns its class and distillation token as a tuple in a tuple."""
    plan = alignmix_plan('embed', LAM, PERM)
    tokens = torch.randn(4, 5), torch.randn(4, 5)
    (mixed, ) = MapMixer()((tokens, ), plan, lambda feats: feats)
    for result, token in zip(mixed, tokens):
        torch.testing.assert_close(result, plan.labels(token))


def test_one_plan_serves_both_directions_of_the_authors_code():
    """In maps and in parts alike; it has not converged."""
    x = torch.randn(4, 3, 3, 5)
    plans = [MapMixer(solver='log', num_iters=5, end='col').complete(
        alignmix_plan(mode, LAM, PERM)).features
        for mode in ('feat', 'feat_swap')]
    forth, back = (plan.measure(x) for plan in plans)
    assert forth.info.row_violation.min() > .01
    # 1e-5: rounding of float32
    torch.testing.assert_close(back.R, forth.R.transpose(1, 2), atol=1e-5,
                               rtol=0)
    anchor, partner = x[PERM], x
    moved = torch.einsum('bij,bcj->bci', back.R, partner.flatten(2))
    lam = LAM.view(4, 1, 1, 1)
    torch.testing.assert_close(
        plans[1].mix_map(x), lam * anchor + (1 - lam) * moved.view_as(x))


def test_large_tensors_of_an_embedding_are_aligned_in_blocks():
    """Mean and deviation, both moved by the plan of the mean."""
    mean, std = torch.randn(4, 3, 18, 20), torch.rand(4, 3, 18, 20)
    pairs = MapMixer(eps=.5).complete(
        alignmix_plan('embed', LAM, PERM)).embedding
    mixed, deviation = pairs.mix_parts((mean, std))
    torch.testing.assert_close(mixed, pairs.mix_map(mean), atol=1e-5, rtol=0)
    R = pairs.measure(mean).R  # of 90 blocks of 2x2
    assert R.shape == (4, 90, 90)
    blocks = torch.nn.functional.pixel_unshuffle(std, 2).flatten(2)
    moved = torch.einsum('bij,bcj->bci', R, blocks[PERM])
    lam = LAM.view(4, 1, 1)
    expected = (lam * blocks + (1 - lam) * moved).view(4, 12, 9, 10)
    torch.testing.assert_close(
        deviation, torch.nn.functional.pixel_shuffle(expected, 2))
