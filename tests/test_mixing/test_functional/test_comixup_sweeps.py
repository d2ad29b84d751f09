"""Sweeps over outputs against the same by loops."""
import comixup_loops as loops
import pytest
import torch
import torch.nn.functional as F

from alignmix_mm.mixing.functional import (
    comixup_assign,
    comixup_objective,
    comixup_relabel,
    comixup_sweeps,
)
from alignmix_mm.mixing.functional.comixup_sweeps import _assign, tell_apart


def problem(parts, inputs, n, outputs, scale=1.):
    """Random costs and a compatibility near the identity."""
    costs = -scale * torch.rand(parts, inputs, n, n, dtype=torch.float64)
    A = .1 * torch.rand(parts, inputs, inputs, dtype=torch.float64)
    A = (A + A.mT) / 2 + .9 * torch.eye(inputs)
    return costs, A, torch.randint(inputs, (parts, outputs, n, n))


def expected(costs, A, init, **options):
    options = dict(beta=.32, gamma=1., tau=.83, niter=4,
                   resolve=True) | options
    results = [loops.assign(c.tolist(), a.tolist(), i.tolist(), **options)
               for c, a, i in zip(costs, A, init)]
    dense = [loops.dense(grids, costs.shape[1]) for grids, _ in results]
    return torch.tensor(dense).double(), [sweeps for _, sweeps in results]


# a weak penalty: outputs of several inputs, many with the same
BUSY = dict(gamma=.1)


@pytest.mark.parametrize('inputs, n, outputs, options', [
    (4, 2, 4, {}), (6, 2, 5, BUSY), (3, 3, 4, {}), (4, 3, 3, BUSY),
    (3, 4, 2, BUSY), (2, 2, 6, {}), (1, 2, 2, {}), (5, 1, 4, {})])
def test_sweeps_by_loops(inputs, n, outputs, options):
    args = problem(1 if n == 4 else 2, inputs, n, outputs)
    z, _ = expected(*args, **options)
    assert torch.equal(comixup_assign(*args, **options), z)


@pytest.mark.parametrize('options', [
    dict(niter=1), dict(niter=2), dict(niter=2, resolve=False),
    dict(niter=3), dict(niter=3, resolve=False), dict(niter=9),
    dict(beta=1.5), dict(beta=0.), dict(gamma=.3), dict(tau=.4)])
def test_options_by_loops(options):
    args = problem(3, 4, 2, 5)
    options = BUSY | options
    assert torch.equal(comixup_assign(*args, **options),
                       expected(*args, **options)[0])


DEFAULTS = dict(beta=.32, gamma=1., tau=.83, niter=4, resolve=True)


@pytest.mark.parametrize('few', [1, 2**15])
@pytest.mark.parametrize('ahead', [2, 3, 99])
@pytest.mark.parametrize('inputs, outputs, options', [
    (4, 5, dict(gamma=.1, niter=6)), (3, 4, {}), (1, 2, {})])
def test_outputs_relabelled_at_once(inputs, outputs, options, ahead, few):
    """As on a GPU; parts stop on their own there too."""
    args = problem(4, inputs, 2, outputs)
    options = DEFAULTS | options
    active = torch.ones(4, outputs, dtype=torch.bool)
    z = _assign(*args, active, few=few, ahead=ahead, **options)
    assert torch.equal(z, expected(*args, **options)[0])


@pytest.mark.parametrize('options', [{}, dict(gamma=.1, niter=6),
                                     dict(gamma=50., tau=0.)])
def test_parts_of_different_sizes(options):
    """As each alone, whatever the padding is."""
    args = [list(problem(1, k, 2, k)) for k in (5, 2, 3, 1)]
    alone = [comixup_assign(*part, **options)[0] for part in args]
    padded = []
    for costs, A, init in args:
        more = 5 - costs.shape[1]
        padded.append((F.pad(costs, (0, 0, 0, 0, 0, more), value=-9.),
                       F.pad(A, (0, more, 0, more), value=1.),
                       F.pad(init, (0, 0, 0, 0, 0, more), value=2)))
    together = comixup_assign(*map(torch.cat, zip(*padded)), **options,
                              sizes=torch.tensor([5, 2, 3, 1]))
    for z, whole in zip(alone, together):
        count = len(z)
        assert torch.equal(whole[:count, ..., :count], z)
        assert whole.sum() == 4 * count


@pytest.mark.parametrize('sizes', [torch.ones(3).long(), torch.ones(2)])
def test_sizes_that_do_not_fit(sizes):
    with pytest.raises(ValueError, match=r'`sizes` of shape \(2,\) and'):
        comixup_assign(*problem(2, 4, 2, 3), sizes=sizes)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_a_gpu_assigns_what_a_cpu_assigns():
    args = problem(3, 20, 4, 20, .2)
    z = comixup_assign(*(tensor.to('cuda') for tensor in args))
    assert torch.equal(z.to('cpu'), comixup_assign(*args))


def test_outputs_that_stay_are_relabelled_once(monkeypatch):
    """Two sweeps of a flat problem: 20 relabellings, then a single one."""
    costs, A, init = problem(3, 20, 4, 20, 1e-3)
    sizes, relabel = [], comixup_sweeps.relabel
    monkeypatch.setattr(comixup_sweeps, 'relabel', lambda costs, *args: (
        sizes.append(len(costs)), relabel(costs, *args))[1])
    options = DEFAULTS | dict(niter=2, resolve=False)
    active = torch.ones(3, 20, dtype=torch.bool)
    apart, ahead = (_assign(costs, A, init, active, few=2**15, ahead=k,
                            **options) for k in (1, 20))
    assert torch.equal(apart, ahead)
    assert sizes == 40 * [3] + 20 * [3] + [60]


def test_no_sweep_is_the_start():
    costs, A, init = problem(2, 4, 3, 2)
    z = comixup_assign(costs, A, init, niter=0)
    assert torch.equal(z.argmax(-1), init) and z.unique().tolist() == [0, 1]


def test_half_halves_come_with_the_second_sweep():
    args = problem(2, 6, 2, 5)
    first, second = (comixup_assign(*args, niter=k, **BUSY) for k in (1, 2))
    assert first.unique().tolist() == [0, 1]
    assert (second == .5).any()


def test_telling_apart_changes_something():
    """Or the tests above would not see it."""
    args = problem(9, 4, 2, 5)
    told, untold = (comixup_assign(*args, **BUSY, resolve=resolve)
                    for resolve in (True, False))
    assert (told != untold).flatten(1).any(1).sum() > 2
    assert torch.equal(told, expected(*args, **BUSY)[0])


def test_who_avoids_what():
    """Sets 1, 2; 0; 1, 2; 0, 3; 1, 2 and 0: three are equal."""
    sets = [(1, 2), (0, ), (2, 1), (0, 3), (1, 2), (0, )]
    z = torch.zeros(1, 6, 1, 2, 4)
    for m, inputs in enumerate(sets):
        for x, k in enumerate(inputs * (2 // len(inputs))):
            z[0, m, 0, x, k] = 1
    nothing = [0, 0, 0, 0]
    assert tell_apart(z)[0].tolist() == [
        [0, 1, 0, 0], nothing, [0, 1, 1, 0], nothing, [0, 0, 1, 0], nothing]
    z[0, 4, 0, 0] = z[0, 4, 0, 1] = torch.tensor([0, .5, .5, 0])
    assert tell_apart(z)[0, 4].tolist() == [0, 0, 1, 0]


def test_parts_stop_on_their_own():
    """One part stands still early; the others do not notice."""
    costs, A, init = problem(4, 4, 2, 5)
    options = dict(niter=6, **BUSY)
    z, sweeps = expected(costs, A, init, **options)
    assert len(set(sweeps)) > 1
    assert torch.equal(comixup_assign(costs, A, init, **options), z)
    for p in range(4):
        alone = comixup_assign(costs[p:p + 1], A[p:p + 1], init[p:p + 1],
                               **options)
        assert torch.equal(alone[0], z[p])
    order = torch.tensor([2, 0, 3, 1])
    assert torch.equal(comixup_assign(costs[order], A[order], init[order],
                                      **options), z[order])


def test_nothing_is_swept_after_the_stop(monkeypatch):
    costs, A, init = problem(2, 4, 2, 5)
    monkeypatch.setattr('alignmix_mm.mixing.functional.comixup_sweeps.STILL',
                        torch.inf)
    assert torch.equal(comixup_assign(costs, A, init, niter=6),
                       comixup_assign(costs, A, init, niter=1))


def test_inputs_have_no_order():
    """Without half/halves and ties the numbers of inputs do not matter."""
    costs, A, init = problem(3, 6, 4, 4)
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    z = comixup_assign(costs, A, init, niter=1)
    moved = comixup_assign(costs[:, order], A[:, order][:, :, order],
                           order.argsort()[init], niter=1)
    assert torch.equal(moved, z[..., order])


def test_an_output_alone_is_relabelled_until_it_stays():
    costs, A, init = problem(3, 5, 4, 1, .1)
    z = comixup_assign(costs, A, init, niter=2)[:, 0]
    first = comixup_relabel(costs, torch.ones(3, 5), soft=False)
    second = comixup_relabel(costs, first.sum(dim=(1, 2)))
    assert torch.equal(z, second)


def test_one_input():
    costs, A, init = problem(2, 1, 4, 3)
    assert torch.equal(comixup_assign(costs, A, init),
                       torch.ones(2, 3, 4, 4, 1, dtype=torch.float64))


def test_the_prior_alone():
    """Equal shares, one input that the prior wants: it is everywhere."""
    costs = torch.full((1, 3, 4, 4), -1 / 16)
    costs[:, 1] -= .05
    _, A, init = problem(1, 3, 4, 1)
    z = comixup_assign(costs, A, init)
    assert (z[..., 1] == 1).all()


def test_sweeps_lower_the_objective_of_a_part_of_twenty():
    """Not by every relabelling: the threshold and A are not in it."""
    costs, A, init = problem(2, 20, 4, 20, .2)
    start = torch.nn.functional.one_hot(init, 20).double()
    z = comixup_assign(costs, A, init)
    assert (comixup_objective(z, costs) <
            comixup_objective(start, costs)).all()
    assert set(z.unique().tolist()) <= {0, .5, 1} and (z.sum(-1) == 1).all()


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_results_are_like_the_costs_and_for_autograd(dtype):
    costs, A, init = problem(2, 4, 2, 3)
    costs, A = costs.to(dtype).requires_grad_(), A.to(dtype)
    copies = [tensor.detach().clone() for tensor in (costs, A, init)]
    z = comixup_assign(costs, A, init)
    assert z.dtype == dtype and not z.requires_grad
    assert all(map(torch.equal, (costs, A, init), copies))
    weight = torch.ones(1, dtype=dtype, requires_grad=True)
    (z * weight).sum().backward()  # not a tensor of inference mode
    assert weight.grad == z.sum()


@pytest.mark.parametrize('place, value, message', [
    (0, torch.ones(2, 4, 2, 3), '(2, 4, 2, 3)'),
    (0, torch.full((2, 4, 2, 2), torch.inf), 'finite'),
    (1, torch.ones(2, 4, 3), '(2, 4, 3)'),
    (2, torch.zeros(2, 3, 2, 3, dtype=torch.int64), '(2, 3, 2, 3)'),
    (2, torch.zeros(2, 3, 2, 2), 'int64'),
    (2, torch.full((2, 3, 2, 2), 4), 'from 0 to 3')])
def test_what_does_not_fit_is_named(place, value, message):
    args = list(problem(2, 4, 2, 3))
    args[place] = value
    with pytest.raises(ValueError) as error:
        comixup_assign(*args)
    assert message in str(error.value)
