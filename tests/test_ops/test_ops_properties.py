"""Whatever the shape, the dtype, the strides and the magnitude."""
import math

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from alignmix_mm.ops import align, align_and_mix, assignment, pairwise_cost
from alignmix_mm.ops.cost import cross_cost

DTYPES = {torch.float64: 1e-12, torch.float32: 1e-6, torch.bfloat16: 2e-2,
          torch.float16: 2e-3}
quick = settings(max_examples=60, deadline=None, derandomize=True)
sides = st.integers(1, 7)
dtypes = st.sampled_from(list(DTYPES))
solvers = st.sampled_from(['annealed', 'log'])
magnitudes = st.floats(-30, 30).map(lambda x: 10.**x)
layouts = st.sampled_from(['plain', 'transposed', 'strided', 'expanded'])


def tensor(shape, dtype, layout, seed, magnitude):
    """Numbers of both signs and of several magnitudes, laid out somehow."""
    numbers = torch.Generator().manual_seed(seed)
    *batch, r, s = shape
    big = dict(plain=(*batch, r, s), transposed=(*batch, s, r),
               strided=(*batch, 2 * r, 3 * s), expanded=(*batch, r, 1))
    x = torch.randn(big[layout], generator=numbers, dtype=torch.float64)
    x = (x * magnitude).to(dtype)
    if layout == 'transposed':
        return x.transpose(-1, -2)
    if layout == 'strided':
        return x[..., ::2, 1::3]
    return x.expand(*batch, r, s)


@quick
@given(st.integers(0, 3), sides, sides, dtypes, layouts, magnitudes,
       st.floats(-3, 3).map(lambda x: 10.**x), solvers,
       st.sampled_from(['row', 'col']), st.integers(0, 99))
def test_plans_have_their_marginals(batch, r, s, dtype, layout, magnitude,
                                    eps, solver, end, seed):
    cost = tensor((batch, r, s), dtype, layout, seed, magnitude)
    assume(torch.isfinite(cost).all())
    before = cost.clone()
    options = dict(end=end) if solver == 'log' else {}
    R = assignment(cost, eps, solver, **options)
    assert R.shape == (batch, r, s) and R.dtype == torch.float32
    assert torch.isfinite(R).all() and (R >= 0).all()
    # float32 sums of at most 7 terms
    if solver == 'annealed' or end == 'row':
        torch.testing.assert_close(R.sum(2), torch.ones(batch, r),
                                   rtol=1e-5, atol=0.)
    if solver == 'annealed' or end == 'col':
        torch.testing.assert_close(R.sum(1), torch.full((batch, s), r / s),
                                   rtol=1e-5, atol=1e-6)
    assert torch.equal(cost, before)


@quick
@given(sides, sides, solvers, st.integers(0, 99),
       st.sampled_from([math.nan, math.inf, -math.inf]))
def test_one_bad_pair_spoils_no_other(r, s, solver, seed, value):
    cost = tensor((3, r, s), torch.float32, 'plain', seed, 1.)
    good = assignment(cost, solver=solver)
    cost[1, r // 2, s // 2] = value
    R = assignment(cost, solver=solver)
    assert torch.equal(R[[0, 2]], good[[0, 2]])
    assert math.isnan(value) == bool(torch.isnan(R[1]).any())


@quick
@given(st.integers(0, 3), sides, sides, sides, dtypes, layouts,
       st.floats(-30, 15).map(lambda x: 10.**x), st.integers(0, 99))
def test_costs_are_squared_distances(batch, c, r, s, dtype, layout, magnitude,
                                     seed):
    a = tensor((batch, c, r), dtype, layout, seed, magnitude)
    b = tensor((batch, c, s), dtype, layout, seed + 100, magnitude)
    assume(torch.isfinite(a).all() and torch.isfinite(b).all())
    cost = pairwise_cost(a, b)
    assert cost.shape == (batch, r, s) and (cost >= 0).all()
    expected = (a.double()[:, :, :, None] - b.double()[:, :, None]).square()
    expected = expected.sum(1)
    # rounding of the squared norms, which are centred; float32 has no
    # numbers below 1e-38 with all digits
    scale = 4 * expected.amax((1, 2), keepdim=True) if batch and r else 0
    error = (cost.double() - expected).abs()
    assert (error <= 2e-6 * scale + 1e-37).all()


@quick
@given(sides, sides, sides, st.floats(15, 38).map(lambda x: 10.**x),
       st.integers(0, 99))
def test_huge_features_have_finite_costs(c, r, s, magnitude, seed):
    """Where their squares have no float32, they are taken as 1e17."""
    a = tensor((2, c, r), torch.float32, 'plain', seed, magnitude)
    b = tensor((2, c, s), torch.float32, 'plain', seed + 100, magnitude)
    a, b = (x.clamp(-3e38, 3e38) for x in (a, b))
    torch.testing.assert_close(
        pairwise_cost(a, b),
        pairwise_cost(a.clamp(-1e17, 1e17), b.clamp(-1e17, 1e17)))
    for cost in pairwise_cost(a, b), cross_cost(a, b):
        assert torch.isfinite(cost).all()


@quick
@given(st.integers(1, 4), sides, sides, sides, dtypes, layouts,
       magnitudes, st.floats(0, 1), solvers,
       st.booleans(), st.integers(0, 99))
def test_mixtures_stay_between_the_features(batch, c, h, w, dtype, layout,
                                            magnitude, lam, solver, swap,
                                            seed):
    A = tensor((batch, c, h, w), dtype, layout, seed, magnitude)
    B = tensor((batch, c, h, w), dtype, layout, seed + 100, magnitude)
    assume(torch.isfinite(A).all() and torch.isfinite(B).all())
    perm = torch.randperm(
        batch, generator=torch.Generator().manual_seed(seed))
    mixed = align_and_mix(A, B, lam, perm=perm, solver=solver, swap=swap)
    assert mixed.shape == A.shape and mixed.dtype == dtype
    partner = B[perm]
    # rows of a plan sum to one: every value is a mean of values
    low = torch.minimum(A.amin((2, 3)), partner.amin((2, 3)))
    high = torch.maximum(A.amax((2, 3)), partner.amax((2, 3)))
    slack = (DTYPES[dtype] + 2e-6) * torch.maximum(
        low.abs(), high.abs()).double()[..., None, None]
    assert (mixed.double() >= low.double()[..., None, None] - slack).all()
    assert (mixed.double() <= high.double()[..., None, None] + slack).all()
    ends = align_and_mix(A, B, 1., perm=perm, solver=solver, swap=swap)
    assert torch.equal(ends, partner if swap else A)


@quick
@given(st.integers(1, 3), sides, sides, sides, dtypes, magnitudes,
       st.integers(0, 99))
def test_aligning_by_a_permutation_moves_positions(batch, c, r, _, dtype,
                                                   magnitude, seed):
    b = tensor((batch, c, r), dtype, 'plain', seed, magnitude)
    assume(torch.isfinite(b).all())
    order = torch.randperm(r, generator=torch.Generator().manual_seed(seed))
    R = torch.eye(r)[order].expand(batch, r, r)
    assert torch.equal(align(b, R), b[:, :, order])
