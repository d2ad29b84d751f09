"""The annealed solver against POT and closed forms, on both backends."""
import pytest
import torch
from problems import (
    DEVICE,
    MARGIN,
    assert_assignment,
    degenerate_maps,
    gaussian_cost,
    golden_plan,
    real_maps,
    relative_error,
)
from scipy.optimize import linear_sum_assignment

from alignmix_mm.ops import _annealed, assignment, pairwise_cost


def test_golden_2x2(solve):  # T5
    plan, _ = solve(torch.tensor([[[0., 1.], [1., 0.]]]), eps=1.0)
    diagonal = 1 / (1 + torch.exp(torch.tensor(-1.0)))  # closed form, .7311
    expected = torch.tensor([[diagonal, 1 - diagonal],
                             [1 - diagonal, diagonal]])
    torch.testing.assert_close(plan[0], expected, atol=1e-6, rtol=0)


# POT takes seconds where costs are a few eps: not every size for each scale
@pytest.mark.parametrize('r, scale', [
    (1, 1.), (2, .3), (2, 3.), (3, 1.), (3, 100.), (4, .05), (4, 3.), (5, .3),
    (15, 3.), (15, .05), (16, .3), (16, 100.), (17, 1.), (49, 100.),
    (64, .05), (65, .3), (65, 100.), (100, .05), *(
        pytest.param(*case, marks=pytest.mark.slow) for case in (
            (49, .3), (49, 1.), (64, 3.), (100, 1.), (100, 3.)))])
def test_agrees_with_pot(solve, r, scale):
    a, b = torch.randn(2, 17, r) * scale, torch.randn(2, 17, r) * scale
    cost = pairwise_cost(a, b)
    plan, _ = solve(cost)
    assert_assignment(plan)
    # 104 to 262 sweeps leave up to 2e-3 on random maps, which have more near
    # ties than real ones; POT's own error is below 1e-4.
    error = relative_error(b, plan, golden_plan(cost, 0.1))
    assert error.max() < 3e-3, error


@pytest.mark.parametrize('name, tolerance', [('r16', 1e-4), ('r64', 4e-3)])
def test_agrees_with_pot_on_real_features(solve, name, tolerance):
    """Tolerances are those of the reference measurements for these sizes."""
    a, b = real_maps(name)
    cost = pairwise_cost(a, b)
    assert (cost.mean() / 0.1) > 1000  # the hard regime, no toy
    assert torch.exp(-cost / 0.1).sum(2).min() == 0  # naive Sinkhorn: 0 / 0
    plan, info = solve(cost)
    assert_assignment(plan)
    assert info.col_violation.max() < 1e-3
    error = relative_error(b, plan, golden_plan(cost, 0.1))
    assert error.mean() < tolerance, error


@pytest.mark.parametrize('r', [9, 16, 32, 49, 64, 100])
def test_hard_costs_are_linear_assignments(solve, backend, r):
    """At costs of 1e6 eps the plan is a permutation, and scipy knows which."""
    interpreted = backend == 'triton' and DEVICE == 'cpu'
    a, b = torch.randn(2, 2 if interpreted else 100, 17, r) * 100
    cost = pairwise_cost(a, b)
    plan, _ = solve(cost)
    for matrix, assigned in zip(cost.double().numpy(), plan.double().numpy()):
        least = matrix[linear_sum_assignment(matrix)].sum()
        # a wrong plan costs 1e-3 more and above, rounding 1e-6
        assert (matrix * assigned).sum() < least * (1 + 1e-4)


@pytest.mark.parametrize('r, s, scale', [
    (12, 15, 1.), (15, 12, 10.), (7, 1, 1.), (1, 7, 10.), (4, 49, .1)])
def test_more_positions_on_one_side(r, s, scale):
    a, b = torch.randn(3, 8, r) * scale, torch.randn(3, 8, s) * scale
    cost = pairwise_cost(a, b)
    plan, info = assignment(cost, return_info=True)
    assert info.backend == 'torch'  # on every device
    assert_assignment(plan)
    assert info.col_sums.shape == (3, s)
    assert info.col_violation.max() < 1e-2  # 0.2 and more with r / s inverted
    golden = golden_plan(cost, 0.1)
    # rows of POT's plan end where its columns are exact; same tolerance
    assert relative_error(b, plan, golden).max() < 3e-3


@pytest.mark.parametrize('r, s, expected', [
    (1, 1, (8, 8, 40, 1.8)), (25, 25, (8, 8, 40, 1.8)),
    (26, 26, (14, 5, 50, 1.8)), (48, 48, (14, 7, 50, 1.8)),
    (49, 49, (14, 7, 50, 1.9)), (64, 64, (14, 7, 50, 1.9)),
    (65, 65, (14, 8, 80, 1.9)), (196, 196, (14, 13, 80, 1.9)),
    (4, 5, (14, 40, 140, 1.8))])
def test_schedule(r, s, expected):
    """From wrong plans and ties that remain with fewer sweeps."""
    schedule = _annealed.make_schedule(r, s)
    assert schedule == expected
    assert schedule.total == expected[0] * expected[1] + expected[2]
    assert _annealed.make_schedule(r, s, 7).final_sweeps == 7


def test_no_denormals():
    """They make exp and products several times slower on a CPU."""
    scores = -gaussian_cost(4, 512, 16, 16) / .1
    kernel = _annealed._kernel(-scores, torch.zeros(4, 1, 16), torch.ones(()))
    assert kernel.min() > 1e-30 and kernel.max() == 1


@pytest.mark.parametrize('name', ['constant', 'zero'])
def test_constant_maps_have_the_uniform_plan(solve, name):
    plan, _ = solve(pairwise_cost(*degenerate_maps()[name]))
    torch.testing.assert_close(plan, torch.full_like(plan, 1 / 16))


def test_a_permuted_copy_is_found_again(solve):
    a = torch.randn(3, 8, 25) * 10
    order = torch.randperm(25)
    plan, _ = solve(pairwise_cost(a, a[..., order]))
    expected = torch.eye(25)[:, order].expand(3, -1, -1)
    torch.testing.assert_close(plan, expected, atol=1e-6, rtol=0)


def test_transposing_the_cost_transposes_the_plan(solve):
    cost = gaussian_cost(3, 16, 9, 9, scale=.3)
    torch.testing.assert_close(
        solve(cost)[0].mT, solve(cost.mT)[0], atol=1e-3, rtol=0)


def test_large_exponents_do_not_underflow(solve):  # T7
    cost = gaussian_cost(4, 512, 16, 16, scale=.6)
    assert torch.exp(-cost / .1).max() == 0
    assert_assignment(solve(cost)[0])


def test_autocast_and_half_precision_change_nothing(quick_solve):  # T7
    cost = gaussian_cost(1, 64, 16, 16)
    expected, _ = quick_solve(cost)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(quick_solve(cost)[0], expected)
    for coarse in cost.bfloat16(), cost.half(), cost.double():
        plan, _ = quick_solve(coarse)
        assert plan.dtype == torch.float32
        # a kernel is compiled for each dtype: on a GPU sums of the same
        # numbers differ in the last bit, 1e-4 of an exponent of thousands
        torch.testing.assert_close(
            plan, quick_solve(coarse.float())[0], atol=1e-3, rtol=0)


@pytest.mark.parametrize('r', [16, 49])
def test_a_plan_does_not_depend_on_its_neighbours(quick_solve, r):
    cost = gaussian_cost(3, 32, r, r)
    cost[1] *= 1e6  # an outlier pair
    together, _ = quick_solve(cost)
    for i in range(3):
        # equal up to the order of summation in batched products
        torch.testing.assert_close(
            quick_solve(cost[i:i + 1])[0][0], together[i], atol=1e-4, rtol=0)


@pytest.mark.parametrize('r', [5, 66])
def test_non_contiguous_cost_and_empty_batch(quick_solve, r):
    cost = gaussian_cost(1, 8, r, r)
    strided = cost.mT.contiguous().mT
    assert not strided.is_contiguous()
    torch.testing.assert_close(quick_solve(strided)[0], quick_solve(cost)[0])
    larger = torch.zeros(1, r + 2, r + 3)
    larger[:, 1:-1, 2:-1] = cost
    torch.testing.assert_close(
        quick_solve(larger[:, 1:-1, 2:-1])[0], quick_solve(cost)[0])
    assert quick_solve(cost[:0])[0].shape == (0, r, r)


def test_num_iters_is_the_budget(solve):
    cost = gaussian_cost(2, 32, 16, 16)
    results = [solve(cost, num_iters=n) for n in (1, 40, 400)]
    # 8 cooling stages of 8 sweeps before
    assert [int(info.sweeps) for _, info in results] == [65, 104, 464]
    violations = [info.col_violation.mean() for _, info in results]
    assert violations[0] > violations[1] > violations[2]
    for plan, _ in results:
        assert_assignment(plan)  # rounding makes them exact all the same


def test_violations_are_of_the_iterate(quick_solve):
    """The sums of rows that were normalized, of columns that were not."""
    _, info = quick_solve(gaussian_cost(2, 32, 16, 16), num_iters=1)
    assert info.row_violation.shape == info.col_violation.shape == (2, )
    assert info.row_violation.max() < MARGIN < info.col_violation.max()
    by_hand = (info.col_sums - 1).abs().mean(1)
    torch.testing.assert_close(info.col_violation, by_hand)
