import math
import re

import pytest
import torch
from problems import golden_plan, real_maps

from alignmix_mm.ops import align, align_and_mix, assignment, pairwise_cost
from alignmix_mm.ops.cost import cross_cost


def test_column_i_is_the_mean_of_what_row_i_points_to():
    b, plan = torch.randn(2, 3, 5), torch.rand(2, 4, 5)
    aligned = align(b, plan)
    for n in range(2):
        for i in range(4):
            expected = sum(plan[n, i, j] * b[n, :, j] for j in range(5))
            torch.testing.assert_close(aligned[n, :, i], expected)


def test_align_keeps_the_dtype_and_sums_in_float32():
    b = torch.randn(2, 8, 49).half()
    plan = assignment(torch.rand(2, 49, 49))
    expected = align(b.float(), plan).half()
    assert torch.equal(align(b, plan), expected)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(align(b, plan), expected)


def authors_plan(cost, eps, iterations):
    """The authors' loop in float64: u of the rows, then v of the columns."""
    r, s = cost.shape
    u, v = torch.zeros(r, 1), torch.zeros(1, s)
    for _ in range(iterations):
        u = -math.log(r) - torch.logsumexp(v - cost / eps, 1, keepdim=True)
        v = -math.log(s) - torch.logsumexp(u - cost / eps, 0, keepdim=True)
    return (u + v - cost / eps).exp()


@pytest.mark.parametrize('sizes', [((3, 5), (3, 5)), ((3, 4), (5, 2))])
def test_the_authors_use_one_plan_in_both_directions(sizes):
    """One plan P of (A, A') has not converged; R = rP or its transpose."""
    maps = [torch.randn(1, 6, *size, dtype=torch.float64) for size in sizes]
    x, y = (some[0].flatten(1) for some in maps)
    plan = authors_plan(torch.cdist(x.T, y.T)**2, .1, 7)
    assert (plan.sum(1) * len(plan) - 1).abs().max() > .1  # as rows would be
    options = dict(solver='log', num_iters=7, end='col', return_info=True)
    # 2e-5: potentials of hundreds of eps, rounded in float32
    close = dict(rtol=0, atol=2e-5)
    mixed, info = align_and_mix(*maps, .3, **options)
    R = x.shape[1] * plan
    torch.testing.assert_close(
        mixed[0].flatten(1), .3 * x + .7 * y @ R.T, **close)
    torch.testing.assert_close(info.row_sums[0].double(), R.sum(1), **close)
    mixed, info = align_and_mix(*maps, .3, swap=True, **options)
    R = y.shape[1] * plan.T
    torch.testing.assert_close(
        mixed[0].flatten(1), .3 * y + .7 * x @ R.T, **close)
    torch.testing.assert_close(info.row_sums[0].double(), R.sum(1), **close)
    torch.testing.assert_close(info.col_sums[0].double(), R.sum(0), **close)
    assert info.row_violation < 1e-6 < .1 < info.col_violation


@pytest.mark.parametrize('size, swap', [
    ((1, 1), True), ((3, 5), True), ((4, 4), False), ((7, 7), True),
    ((10, 10), False)])
def test_mixing_is_alignment_and_interpolation(converged_mix, size, swap):
    """Eq. (12) written out, with POT's plan in float64; (13) exchanges."""
    x, y = torch.randn(2, 35, *size), torch.randn(3, 35, *size)
    lam, perm = torch.tensor([0.2, 0.9]), torch.tensor([2, 0])
    anchor, partner = (y[perm], x) if swap else (x, y[perm])
    a, b = anchor.flatten(2), partner.flatten(2)
    aligned = align(b.double(), golden_plan(pairwise_cost(a, b), .1))
    weight = lam.view(-1, 1, 1, 1)
    expected = weight * anchor + (1 - weight) * aligned.view_as(anchor)
    mixed = converged_mix(x, y, lam, perm=perm, swap=swap)
    # the tolerance of plans of random maps, see test_annealed.py
    error = (mixed - expected).norm() / expected.norm()
    assert error < 3e-3


def test_backends_agree_on_real_maps(converged_mix):
    for name, size in ('r16', (4, 4)), ('r64', (8, 8)):
        a, b = (maps.unflatten(2, size) for maps in real_maps(name))
        lam, perm = torch.rand(len(a)), torch.randperm(len(a))
        mixed = converged_mix(a, b, lam, perm=perm)
        expected = align_and_mix(a, b, lam, perm=perm, backend='torch')
        # 138 sweeps of different rounding, then 100 times what they differ
        assert (mixed - expected).norm() / expected.norm() < 1e-4


@pytest.mark.parametrize('lam', [.3, torch.tensor(.3), torch.full((2, ), .3)])
def test_lambda_for_the_batch_or_for_each_sample(mix, lam):
    a, b = torch.randn(2, 6, 2, 2), torch.randn(2, 6, 2, 2)
    expected = mix(a, b, torch.full((2, ), 0.3))
    torch.testing.assert_close(mix(a, b, lam), expected)


def test_the_plain_iteration_sees_the_full_cost():
    """Before convergence, terms of a column alone change the plan."""
    a, b = torch.randn(2, 32, 4, 4) * 3, torch.randn(2, 32, 4, 4) * 3
    cost = pairwise_cost(a.flatten(2), b.flatten(2))
    plan = assignment(cost, solver='log', end='col')
    expected = 0.3 * a + 0.7 * align(b.flatten(2), plan).view_as(a)
    mixed = align_and_mix(a, b, 0.3, solver='log', end='col')
    torch.testing.assert_close(mixed, expected, atol=1e-3, rtol=0)


def test_lambda_one_is_the_anchor(mix):
    a, b = torch.randn(3, 6, 4, 4), torch.randn(3, 6, 4, 4)
    assert torch.equal(mix(a, b, 1.0), a)


def test_perm_chooses_the_partner(mix):
    x, lam = torch.randn(3, 6, 3, 3), torch.rand(3)
    perm = torch.tensor([1, 2, 0])  # not its own inverse
    torch.testing.assert_close(mix(x, x, lam, perm=perm), mix(x, x[perm], lam))
    few = torch.tensor([2, 2, 0])  # not a permutation
    torch.testing.assert_close(mix(x, x, lam, perm=few), mix(x, x[few], lam))
    torch.testing.assert_close(
        mix(x, x, lam, perm=perm, swap=True), mix(x[perm], x, lam))
    strided = torch.tensor([[1, 3], [2, 3], [0, 3]])[:, 0]
    assert torch.equal(mix(x, x, lam, perm=strided),
                       mix(x, x, lam, perm=perm))


def test_partner_may_have_another_size():
    a, b = torch.randn(2, 6, 3, 5), torch.randn(2, 6, 4, 4)
    mixed, info = align_and_mix(a, b, 0.5, return_info=True)
    assert mixed.shape == a.shape
    assert align_and_mix(a, b, 0.5, swap=True).shape == b.shape
    assert info.backend == 'torch'
    # as many positions in another shape
    assert align_and_mix(a, b.new_zeros(2, 6, 5, 3), .5).shape == a.shape


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16,
                                   torch.float64])
def test_any_dtype_and_memory_layout(mix, dtype):
    a, b = torch.randn(2, 8, 4, 4), torch.randn(2, 8, 4, 4)
    low_a, low_b = a.to(dtype), b.to(dtype)
    expected = mix(low_a.float(), low_b.float(), 0.4)
    mixed = mix(low_a.contiguous(memory_format=torch.channels_last),
                low_b.mT.contiguous().mT, 0.4)
    assert mixed.dtype == dtype
    assert mixed.is_contiguous(memory_format=torch.channels_last)
    # float64 features keep their digits, half precision rounds the result;
    # to bfloat16, Triton's interpreter truncates
    digit = 2**-7 if dtype == torch.bfloat16 else 1e-3
    torch.testing.assert_close(
        mixed, expected.to(dtype), atol=1e-5, rtol=digit)


def test_every_stride_is_its_own(mix):
    """Channels of larger maps, next to maps in another memory layout."""
    x = torch.randn(2, 13, 3, 3)[:, 2:10]
    y = torch.randn(3, 8, 3, 3).contiguous(memory_format=torch.channels_last)
    perm = torch.tensor([2, 0])
    sliced = torch.randn(2, 13, 3, 3).contiguous(
        memory_format=torch.channels_last)[:, 2:10]
    rows = torch.randn(2, 8, 11, 1)[:, :, 1:10]  # flattening copies nothing
    for first, second, swap in (
            (x, y, False), (y[:2], torch.cat([x, x])[1:], True),
            (sliced, x, False), (rows, y.reshape(3, 8, 9, 1), True)):
        index = perm if len(second) > 2 else perm // 2
        expected = mix(first.contiguous(), second.contiguous(), .4,
                       perm=index, swap=swap)
        mixed = mix(first, second, .4, perm=index, swap=swap)
        torch.testing.assert_close(mixed, expected)


def test_a_common_offset_costs_no_digits(mix):
    """As any ReLU network has one."""
    a, b = torch.randn(2, 3, 64, 4, 4)
    expected = mix(a.double(), b.double(), .4) + 100
    # float32 resolves 1e-5 of these features, so 64 products leave 1e-3 eps
    # of the costs; without centering, products of 1e4 leave 0.05 eps, and
    # errors of 1e-2
    torch.testing.assert_close(
        mix(a + 100, b + 100, .4).double(), expected, atol=1e-3, rtol=0)


def test_a_slice_of_a_larger_map(mix):
    large = torch.randn(2, 8, 9, 7)
    a, b = large[:, :, 1:5, 2:6], large[:, :, :4, :4]
    assert torch.equal(mix(a, b, .4), mix(a.contiguous(), b.contiguous(), .4))


def test_devices_without_autocast():
    a = torch.zeros(2, 3, 4, 4, device='meta')
    assert align_and_mix(a, a, 0.4).shape == a.shape


@pytest.mark.parametrize('solver', ['annealed', 'log'])
def test_torch_compile_changes_nothing(solver):
    a = torch.randn(2, 8, 3, 3, requires_grad=True)
    b = torch.randn(2, 8, 3, 3, requires_grad=True)

    def loss(a, b):
        return align_and_mix(a, b, 0.4, solver=solver).square().sum()

    gradients = [torch.autograd.grad(function(a, b), (a, b)) for function in (
        loss, torch.compile(loss, backend='eager'))]
    for expected, got in zip(*gradients):
        torch.testing.assert_close(got, expected)


def test_autocast_changes_nothing(mix):
    a, b = torch.randn(2, 64, 4, 4), torch.randn(2, 64, 4, 4)
    expected = mix(a, b, 0.4)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(mix(a, b, 0.4), expected)


@pytest.mark.parametrize('r, swap', [(9, False), (9, True), (80, False)])
def test_gradients_flow_through_the_features_alone(mix, swap, r):
    """With R fixed: dA = lam W, dA'[perm] = (1 - lam) W R."""
    x = torch.randn(2, 5, r, 1, requires_grad=True)
    y = torch.randn(3, 5, r, 1, requires_grad=True)
    lam, perm = torch.tensor([0.3, 0.8]), torch.tensor([2, 0])
    weights = torch.randn_like(x)
    (mix(x, y, lam, perm=perm, swap=swap) * weights).sum().backward()

    a, b = (y[perm], x) if swap else (x, y[perm])
    plan = assignment(cross_cost(a.flatten(2), b.flatten(2)), backend='torch')
    of_anchor = lam.view(-1, 1, 1) * weights.flatten(2)
    of_partner = torch.bmm(
        (1 - lam).view(-1, 1, 1) * weights.flatten(2), plan)
    of_x, of_y = (of_partner, of_anchor) if swap else (of_anchor, of_partner)
    # plans of the two backends differ by the rounding of their sweeps
    torch.testing.assert_close(x.grad.flatten(2), of_x, atol=1e-4, rtol=0)
    torch.testing.assert_close(
        y.grad.flatten(2)[perm], of_y, atol=1e-4, rtol=0)
    assert not y.grad[1].any()  # nobody's partner


def test_a_partner_of_two_gets_both_gradients(mix):
    x = torch.randn(2, 5, 3, 3)
    y = torch.randn(2, 5, 3, 3, requires_grad=True)
    mix(x, y, .25, perm=torch.tensor([1, 1])).sum().backward()
    # every position of the partner is used once: the columns of R sum to 1
    torch.testing.assert_close(y.grad[1], torch.full((5, 3, 3), 1.5))
    assert not y.grad[0].any()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_gradients_of_half_precision_maps(mix, dtype):
    """They are summed in float32 and rounded once."""
    a = torch.randn(2, 8, 49, 1).to(dtype)
    b = torch.randn(2, 8, 49, 1).to(dtype)
    weights = torch.randn(2, 8, 49, 1).to(dtype)
    gradients = []
    for of in dtype, torch.float32:
        maps = [m.to(of).requires_grad_() for m in (a, b)]
        mixed = mix(*maps, .3)
        gradients.append(torch.autograd.grad(mixed, maps, weights.to(of)))
    for low, full in zip(*gradients):
        assert low.dtype == dtype
        # one rounding; sums of 49 rounded products would be ten times worse
        torch.testing.assert_close(
            low.float(), full, atol=1e-4, rtol=torch.finfo(dtype).eps)


def test_float64_gradients_are_exact():
    a = torch.randn(2, 5, 3, 3, dtype=torch.float64, requires_grad=True)
    b = torch.randn(2, 5, 3, 3, dtype=torch.float64, requires_grad=True)
    lam = torch.tensor([0.3, 0.8], dtype=torch.float64)
    plan = assignment(cross_cost(a.flatten(2), b.flatten(2))).double()
    weights = torch.randn_like(a)
    (align_and_mix(a, b, lam) * weights).sum().backward()
    weight, w = lam.view(-1, 1, 1), weights.flatten(2)
    torch.testing.assert_close(a.grad.flatten(2), weight * w)
    torch.testing.assert_close(
        b.grad.flatten(2), (1 - weight) * torch.bmm(w, plan))


def test_options_reach_the_transport():
    a, b = torch.randn(2, 64, 4, 4) * 3, torch.randn(2, 64, 4, 4) * 3
    plain = align_and_mix(a, b, 0., solver='log', num_iters=100)
    assert not torch.allclose(plain, align_and_mix(a, b, 0.), atol=1e-2)
    with pytest.raises(ValueError, match='solver'):
        align_and_mix(a, b, 0.5, solver='lp')


@pytest.mark.parametrize('shapes', [((2, 3, 4), (2, 3, 4)),
                                    ((2, 3, 4, 4), (2, 5, 4, 4))])
def test_wrong_shapes_are_named(shapes):
    a, b = (torch.zeros(shape) for shape in shapes)
    with pytest.raises(ValueError, match='Expected two feature maps'):
        align_and_mix(a, b, 0.5)
    with pytest.raises(ValueError, match='Expected `b`'):
        align(torch.zeros(2, 3, 4), torch.zeros(2, 4, 5))


@pytest.mark.parametrize('options, message', [
    (dict(perm=torch.zeros(2)), '`perm` of shape (2, ) and dtype int64'),
    (dict(perm=torch.zeros(3).long()), 'got (3,) and torch.int64'),
    (dict(lam=torch.zeros(3)), '`lam` to be a number or a tensor'),
    (dict(A2=torch.zeros(3, 3, 2, 2)), 'Expected 2 partners'),
    (dict(backend='cuda'), '`backend`'),
    (dict(num_iters=0), '`num_iters`'),
])
def test_bad_arguments_are_named(options, message):
    maps = torch.zeros(2, 3, 2, 2)
    with pytest.raises(ValueError, match=re.escape(message)):
        align_and_mix(**{**dict(A=maps, A2=maps, lam=.5), **options})


def test_integers_are_no_features():
    x = torch.ones(2, 3, 2, 2, dtype=torch.int64)
    with pytest.raises(TypeError, match='floating point.*torch.int64'):
        align_and_mix(x, x.float(), .5)
