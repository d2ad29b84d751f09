"""The public door, and the paper's plain iteration."""
import functools
import re

import pytest
import torch
from problems import degenerate_maps, gaussian_cost, golden_plan

from alignmix_mm.ops import assignment, pairwise_cost


@pytest.mark.parametrize('solver', ['annealed', 'log'])
def test_scale_law(solver):  # T6: the cost is squared
    a, b = torch.randn(3, 6, 9), torch.randn(3, 6, 9)
    double = assignment(pairwise_cost(2 * a, 2 * b), 4.0, solver)
    single = assignment(pairwise_cost(a, b), 1.0, solver)
    torch.testing.assert_close(double, single, atol=1e-5, rtol=0)


@pytest.mark.parametrize('name', degenerate_maps())
def test_the_log_solver_survives_degenerate_maps(name):
    plan = assignment(pairwise_cost(*degenerate_maps()[name]), solver='log')
    assert torch.isfinite(plan).all()
    # exponents as large as 1e9 round to multiples of 64
    if name != 'magnitude_1e4':
        assert (plan.sum(2) - 1).abs().max() < 1e-2


def test_autocast_and_half_precision_change_nothing():  # T7
    cost = gaussian_cost(2, 64, 16, 16)
    expected = assignment(cost, solver='log')
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(assignment(cost, solver='log'), expected)
    coarse = cost.bfloat16()
    plan = assignment(coarse, solver='log')
    assert plan.dtype == torch.float32
    assert torch.equal(plan, assignment(coarse.float(), solver='log'))


def test_the_cost_is_left_alone_and_no_gradient_flows():
    cost = gaussian_cost(2, 8, 5, 5).requires_grad_()
    before = cost.detach().clone()
    for solver in 'annealed', 'log':
        assert not assignment(cost, solver=solver).requires_grad
    assert torch.equal(cost, before)


def literal_algorithm_1(cost, eps, num_iters):
    """Line 22: normalise rows and columns of exp(-M / eps), in float64."""
    plan = torch.exp(-cost.double() / eps)
    for _ in range(num_iters):
        plan = plan / plan.sum(2, keepdim=True)
        plan = plan / plan.sum(1, keepdim=True)
    return plan / plan.sum(2, keepdim=True)


def test_log_solver_is_algorithm_1_where_that_does_not_underflow():
    cost = gaussian_cost(3, 8, 6, 6, scale=.5)
    plan, info = assignment(cost, .5, 'log', return_info=True)
    assert info.sweeps == 100
    torch.testing.assert_close(
        plan.double(), literal_algorithm_1(cost, .5, 100), atol=1e-5, rtol=0)
    # unlike the annealed solver, it is not converged after few iterations
    early = assignment(cost, .5, 'log', num_iters=3)
    torch.testing.assert_close(
        early.double(), literal_algorithm_1(cost, .5, 3), atol=1e-5, rtol=0)
    assert (early.sum(1) - 1).abs().max() > 1e-3


def authors_iteration(cost, eps, num_iters, tol):
    """The published loop: u, then v, stop on the mean change of u."""
    u = v = torch.zeros(1)
    log_mu = -torch.tensor(cost.shape[1]).log()
    n, change = 0, float('inf')
    while n < num_iters and change >= tol:
        n += 1
        scores = (-cost + u + v) / eps
        new_u = eps * (log_mu - scores.logsumexp(2, keepdim=True)) + u
        scores = (-cost + new_u + v) / eps
        v = eps * (log_mu - scores.logsumexp(1, keepdim=True)) + v
        change = (new_u - u).abs().sum(1).mean()
        u = new_u
    return cost.shape[1] * torch.exp((-cost + u + v) / eps), n


@pytest.mark.parametrize('scale, stops', [(.2, True), (5., False)])
def test_log_solver_reproduces_the_authors_early_stop(scale, stops):
    cost = gaussian_cost(4, 64, 16, 16, scale)
    expected, num_iters = authors_iteration(cost, .1, 100, .1)
    assert (num_iters < 100) == stops
    plan, info = assignment(
        cost, .1, 'log', tol=.1, end='col', return_info=True)
    assert info.sweeps == num_iters
    # at scale 5 exponents reach 3e4, of which float32 resolves 2e-3
    torch.testing.assert_close(plan, expected, atol=2e-3, rtol=0)
    assert info.col_violation.max() < 1e-3


@pytest.mark.parametrize('r, s', [(4, 7), (7, 4)])
@pytest.mark.parametrize('end', ['row', 'col'])
def test_log_solver_with_more_positions_on_one_side(r, s, end):
    cost = gaussian_cost(2, 8, r, s, scale=.2)
    plan = assignment(cost, .5, 'log', end=end)
    exact = plan.sum(2) if end == 'row' else plan.sum(1) * s / r
    # a softmax in float32
    torch.testing.assert_close(exact, torch.ones_like(exact), rtol=0,
                               atol=1e-6)
    # soft costs: 100 iterations are enough
    torch.testing.assert_close(plan.double(), golden_plan(cost, .5), rtol=0,
                               atol=1e-5)


def test_end_chooses_the_exact_marginal():
    cost = gaussian_cost(2, 64, 16, 16, 3.)
    rows = assignment(cost, solver='log')
    cols = assignment(cost, solver='log', end='col')
    for exact, loose in ((rows.sum(2), rows.sum(1)),
                         (cols.sum(1), cols.sum(2))):
        assert (exact - 1).abs().max() < 1e-3  # exponents round to 1e-4
        assert (loose - 1).abs().mean() > 1e-2  # not converged: the finding


ZEROS = torch.zeros(1, 2, 2)


@pytest.mark.parametrize('call, error, message', [
    (dict(cost=ZEROS[0]), ValueError, '(B, r, s)'),
    (dict(cost=ZEROS[..., :0]), ValueError, '(B, r, s)'),
    (dict(cost=ZEROS.long()), TypeError, 'floating point'),
    (dict(cost=ZEROS.numpy()), TypeError, 'ndarray'),
    (dict(cost=ZEROS, eps=0), ValueError, '`eps`'),
    (dict(cost=ZEROS, eps=float('nan')), ValueError, '`eps`'),
    (dict(cost=ZEROS, solver='lp'), ValueError, "['annealed', 'log']"),
    (dict(cost=ZEROS, num_iters=0), ValueError, '`num_iters`'),
    (dict(cost=ZEROS, tol=.1), ValueError, "solver='log'"),
    (dict(cost=ZEROS, solver='log', tol=-1), ValueError, '`tol`'),
    (dict(cost=ZEROS, solver='log', end='rows'), ValueError, '`end`'),
    (dict(cost=ZEROS, backend='cuda'), ValueError, "'torch', 'triton'"),
])
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        assignment(**call)


def test_no_value_is_read_back_from_the_device(monkeypatch):
    """`.item()`, `.cpu()` and branches on values would wait for a GPU."""
    def refuse(name, *args, **kwargs):
        raise AssertionError(f'Tensor.{name} reads a value')

    cost = gaussian_cost(2, 8, 5, 5)
    for name in ('item', 'cpu', 'numpy', 'tolist', '__bool__', '__float__',
                 '__int__'):
        monkeypatch.setattr(torch.Tensor, name,
                            functools.partial(refuse, name))
    assignment(cost)
    assignment(cost, solver='log', tol=.1)
