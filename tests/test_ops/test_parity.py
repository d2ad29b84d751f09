"""The same answer on every path, or a bound that says how far it is."""
import math

import pytest
import torch
from problems import DEVICE, EPS, golden_plan, log_domain_plan

from alignmix_mm.ops import align_and_mix, assignment, pairwise_cost
from alignmix_mm.ops._bound import error_bound

PATHS = [('torch', 9), ('triton', 9), ('triton', 66)]


@pytest.fixture(params=PATHS, ids=lambda path: f'{path[0]}-{path[1]}')
def path(request):
    """A backend and positions: plain torch, small kernel, large kernel."""
    if request.param[0] == 'triton':
        pytest.importorskip('triton')
        if DEVICE == 'cpu':
            request.getfixturevalue('short_schedule')
    return request.param


def solve(cost, backend, **options):
    return assignment(cost.to(DEVICE), EPS, backend=backend,
                      return_info=True, **options)


def test_a_cost_that_is_nan_spoils_its_pair_alone(path):
    backend, r = path
    place = r - 1, 2
    cost = torch.rand(2, r, r)
    good, _ = solve(cost[:1], backend)
    cost[1][place] = math.nan
    plan, info = solve(cost, backend)
    for tensor in plan, info.row_sums, info.col_sums:
        assert tensor[1].isnan().all() and tensor[0].isfinite().all()
    torch.testing.assert_close(plan[:1], good)
    assert info.error_bound()[1].isnan()


@pytest.mark.parametrize('swap', [False, True])
@pytest.mark.parametrize('which', [0, 1])
def test_a_feature_that_is_nan_spoils_its_pair_alone(mix, swap, which):
    maps = torch.randn(2, 2, 33, 3, 3)
    maps[which, 1, 20, 1, 2] = math.nan
    mixed = mix(*maps, .3, swap=swap)
    assert mixed[1].isnan().all() and mixed[0].isfinite().all()


@pytest.mark.parametrize('value', [math.inf, -math.inf, 1e6])
def test_extreme_costs_are_those_of_plain_torch(path, value):
    """One entry, and half of a row and of a column, among costs of order 1."""
    backend, r = path
    if value == 1e6 and r == 66:
        pytest.skip('as infinite costs')
    cost = torch.rand(2, r, r)
    cost[0, 1, 2] = value
    cost[1, 0, :r // 2] = value
    cost[1, r // 2:, -1] = value
    plan, info = solve(cost, backend)
    expected, _ = solve(cost, 'torch')
    assert plan.isfinite().all()
    torch.testing.assert_close(plan, expected, atol=1e-5, rtol=0)
    if value < 0:
        assert plan[0, 1, 2] > .99
    elif backend == 'torch':
        assert plan[cost.to(DEVICE) == value].max() < 1e-3


def forbidden(r, above):
    """Costs of order 1, a third of the pairs forbidden, and which."""
    cost, ban = torch.rand(2, r, r), torch.rand(2, r, r) < .3
    ban[:, torch.arange(r), torch.randperm(r)] = False  # a plan exists
    return cost.masked_fill(ban, above), ban


@pytest.mark.parametrize('above', [1e4, 1e5, 1e6, 1e9, 1e30, math.inf])
@pytest.mark.parametrize('r', [6, 16, 49])
def test_forbidden_pairs(solve, r, above):
    cost, ban = forbidden(r, above)
    plan, info = solve(cost)
    # 1000 eps are as forbidden, and POT resolves them
    error = (plan - golden_plan(cost.clamp(max=100), EPS)).abs().sum(2)
    assert error.max() < 1e-4, error.max()  # wrong by 0.38 at 1e6 without
    assert plan[ban].max() < 1e-5  # what rounding to both marginals leaves
    assert (info.error_bound() < 1e-3).all()


def test_forbidden_pairs_by_order():
    """Whatever may follow, as of a causal mask: only the diagonal is left."""
    ban = torch.ones(2, 20, 20).triu(1) > 0
    cost = torch.rand(2, 20, 20).masked_fill(ban, math.inf)
    plan, info = solve(cost, 'torch')
    torch.testing.assert_close(plan.cpu(), torch.eye(20).expand(2, -1, -1),
                               atol=1e-3, rtol=0)


@pytest.mark.parametrize('r, s', [(6, 9), (9, 6), (4, 5)])
def test_forbidden_pairs_of_more_positions_on_one_side(r, s):
    cost = torch.rand(3, r, s)
    cost[:, 1, :s // 2] = math.inf
    cost[:, 2:, -1] = 1e9
    plan, _ = solve(cost, 'torch')
    expected = golden_plan(cost.clamp(max=200), EPS)
    torch.testing.assert_close(plan.double().cpu(), expected, atol=1e-4,
                               rtol=0)


def test_one_massive_feature_does_not_blur_the_others():
    """As of some channels of a ViT: 3000 among values of 1."""
    a, b = torch.randn(2, 1, 64, 49)
    a[:, 5, 0] = b[:, 5, 3] = 3000
    cost = pairwise_cost(a, b)
    plan, info = solve(cost, 'torch')
    assert (plan[:, 0, 3] > 1 - 1e-5).all()
    rest = [i for i in range(49) if i != 0], [j for j in range(49) if j != 3]
    alone = cost[:, rest[0]][:, :, rest[1]]
    expected = golden_plan(alone, EPS)
    error = plan[:, rest[0]][:, :, rest[1]].cpu() - expected
    assert error.abs().sum(2).mean() < 5e-3  # 0.2 without


@pytest.mark.parametrize('magnitude', [1e-30, 1e-3, 1., 1e3, 1e9, 1e30])
def test_the_bound_is_one(magnitude):
    cost = torch.rand(4, 7, 7) * magnitude
    cost[1] = cost[1].round(decimals=1) if magnitude == 1 else cost[1]
    cost[2, 2:, 3] += 1e5 * magnitude
    plan, info = solve(cost, 'torch')
    bound = info.error_bound()
    assert bound.dtype == torch.float64 and bound.shape == (4, )
    if magnitude <= 1e3:
        assert (bound < .02).all(), bound
    # any other plan is as far away as it is said to be
    wrong = plan.roll(1, 2)
    told = error_bound(cost.to(DEVICE), wrong, EPS)
    distance = (wrong - plan).double().abs().sum(2).mean(1)
    assert (told >= distance - bound - 1e-6).all()
    assert (told <= 2).all()


def test_what_float32_cannot_resolve_is_told():
    """Rows that have to take forbidden pairs: .06 of 1e6 is one digit."""
    cost = torch.rand(2, 6, 6)
    cost[:, :2, 1:] = 1e6
    plan, info = solve(cost, 'torch')
    assert info.col_violation.max() < 1e-4  # says nothing
    exact = log_domain_plan(cost.double())
    error = (plan.cpu() - exact).abs().sum(2).mean(1)
    assert error.max() > 1e-3
    assert (info.error_bound().cpu() >= error * .99).all()


@pytest.mark.parametrize('dtype', [torch.bfloat16])
def test_the_fused_path_has_a_bound_too(short_schedule, dtype):
    pytest.importorskip('triton')
    x, y = torch.randn(2, 2, 40, 3, 3, device=DEVICE).to(dtype)
    perm = torch.tensor([1, 0], device=DEVICE)
    for swap in False, True:
        bounds = [align_and_mix(x, y, .3, perm=perm, swap=swap,
                                backend=backend, return_info=True
                                )[1].error_bound()
                  for backend in ('torch', 'triton')]
        torch.testing.assert_close(*bounds, atol=1e-4, rtol=1e-3)
