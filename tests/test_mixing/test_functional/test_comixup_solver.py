"""Relabelling against all labellings, a slow program, and HiGHS."""
import itertools
import math

import comixup_loops as loops
import numpy as np
import pytest
import torch

from alignmix_mm.mixing.functional import comixup_relabel, comixup_solver
from alignmix_mm.mixing.functional._candidates import disagreement
from alignmix_mm.mixing.functional._chain_bounds import (
    drop,
    first_bounds,
    tighten,
)

BETA = .32


def problem(parts, inputs, n, scale):
    """Costs from cheap edges (a large scale) to dear ones."""
    costs = torch.rand(parts, inputs, n, n, dtype=torch.float64) * scale / n**2
    return costs, torch.randint(4, (parts, inputs)).double()


def expected(costs, counts, solve=loops.relabel, beta=BETA, soft=True):
    grids = [solve(c.tolist(), k.tolist(), beta, soft)
             for c, k in zip(costs, counts)]
    return torch.tensor(loops.dense(grids, costs.shape[1]))


def energy(z, costs):
    grid = [[{k: w for k, w in enumerate(block) if w} for block in row]
            for row in z.tolist()]
    return loops.energy(grid, costs.tolist(), BETA)


def least_energy(costs, counts):
    """HiGHS: one label a block, and one pair of labels an edge."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import lil_matrix
    costs, n = costs.tolist(), costs.shape[-1]
    options = loops.candidates(counts.tolist(), True)
    count, cells = len(options), n * n
    edge = [BETA / n**2 * loops.disagreement(a, b)
            for a in options for b in options]
    edges = ([(p, p + 1) for p in range(cells) if (p + 1) % n] +
             [(p, p + n) for p in range(cells - n)])
    own = [loops.cost_of(option, costs, p // n, p % n)
           for p in range(cells) for option in options]
    rows = lil_matrix((cells + 2 * count * len(edges),
                       len(own) + count**2 * len(edges)))
    for p in range(cells):
        rows[p, p * count:(p + 1) * count] = 1
    row = cells
    for e, (p, q) in enumerate(edges):
        pairs = len(own) + count**2 * e + np.arange(count**2).reshape(
            count, count)
        for block, table in (p, pairs), (q, pairs.T):
            for label in range(count):
                rows[row, table[label]] = 1
                rows[row, block * count + label] = -1
                row += 1
    right = np.r_[np.ones(cells), np.zeros(row - cells)]
    result = milp(np.r_[own, np.tile(edge, len(edges))],
                  constraints=LinearConstraint(rows.tocsr(), right, right),
                  bounds=Bounds(0, 1), integrality=np.r_[
                      np.ones(len(own)), np.zeros(count**2 * len(edges))],
                  options=dict(mip_rel_gap=1e-9))
    return result.fun


@pytest.mark.parametrize('inputs, n', [(1, 2), (2, 2), (4, 2), (5, 1)])
@pytest.mark.parametrize('scale', [.1, .5, 2])
def test_the_first_of_all_labellings(inputs, n, scale):
    costs, counts = problem(2, inputs, n, scale)
    for soft in False, True:
        z = comixup_relabel(costs, counts, soft=soft)
        assert torch.equal(z, expected(costs, counts, loops.relabel_brute,
                                       soft=soft).double())


def test_the_slow_program_is_right():
    costs, counts = problem(1, 3, 2, .5)
    assert torch.equal(expected(costs, counts),
                       expected(costs, counts, loops.relabel_brute))


@pytest.mark.parametrize('inputs, n', [(4, 3), (3, 4)])
@pytest.mark.parametrize('scale', [.2, .7, 1.5])
def test_grids_by_the_slow_program(inputs, n, scale):
    costs, counts = problem(2, inputs, n, scale)
    z = comixup_relabel(costs, counts)
    assert torch.equal(z, expected(costs, counts).double())


@pytest.mark.parametrize('inputs, n, scale', [
    (7, 4, 1), (20, 4, .5), (20, 4, 2), (5, 5, 1), (3, 8, 3), (4, 8, 1),
    (5, 8, 2)])
def test_no_labelling_is_cheaper(inputs, n, scale):
    costs, counts = problem(1, inputs, n, scale)
    z, = comixup_relabel(costs, counts)
    # rounding, and the tolerance of HiGHS
    assert math.isclose(energy(z, costs[0]), least_energy(costs[0], counts[0]),
                        rel_tol=1e-8)


@pytest.mark.parametrize('limits', [
    dict(FEW=1, ROUNDS=1), dict(FEW=1, ROUNDS=7, GUESS_EVERY=2),
    dict(FEW=10**9), dict(FEW=16)])
def test_every_way_leads_to_the_minimum(monkeypatch, limits):
    costs, counts = problem(2, 4, 3, .7)
    for name, value in limits.items():
        monkeypatch.setattr(comixup_solver, name, value)
    assert torch.equal(comixup_relabel(costs, counts),
                       expected(costs, counts).double())


def test_a_search_that_is_cut_takes_promising_labels(monkeypatch):
    """Within 1 % of the minimum with 2 labels for a block; see the limits."""
    costs, counts = problem(3, 6, 8, 3)
    best = comixup_relabel(costs, counts)
    for name, value in dict(FEW=2, ROUNDS=4, MOST=2**8, GUESS=2**8).items():
        monkeypatch.setattr(comixup_solver, name, value)
    cut = comixup_relabel(costs, counts)
    for c, z, least in zip(costs, cut, best):
        assert energy(least, c) - 1e-9 <= energy(z, c) <= (
            1.01 * energy(least, c))


@pytest.mark.parametrize('few', [1, 2**15])
@pytest.mark.parametrize('soft', [False, True])
def test_inputs_that_are_all_the_same(few, soft):
    """The first one is the labelling, though rows have 160,000 of them."""
    costs, counts = torch.zeros(2, 20, 4, 4).double(), torch.zeros(2, 20)
    counts[:, 7] = 16
    z = comixup_solver.relabel(costs, counts, BETA, soft, few)
    assert (z[..., 0] == 1).all()


@pytest.mark.parametrize('few, rounds', [(2**10, 1), (2**15, 0)])
def test_labels_are_bounded_where_rows_have_too_many(monkeypatch, few,
                                                     rounds):
    """As on a CPU, and on a GPU."""
    calls, bound = [], comixup_solver.tighten
    monkeypatch.setattr(comixup_solver, 'tighten', lambda *args: (
        calls.append(args), bound(*args))[1])
    costs, counts = problem(2, 7, 4, 1)
    z = comixup_solver.relabel(costs, counts, BETA, True, few)
    assert (len(calls) > 0) == rounds
    assert torch.equal(z, comixup_relabel(costs, counts))


def test_bounds_enclose_the_minimum_and_keep_it():
    costs, counts = problem(3, 5, 4, 1)
    grid = costs.permute(0, 2, 3, 1).contiguous()
    edges = (1 - torch.eye(5, dtype=torch.float64)).expand(3, 5, 5) * BETA / 16
    z = comixup_relabel(costs, counts, soft=False)
    least = torch.tensor([energy(*pair) for pair in zip(z, costs)],
                         dtype=torch.float64)
    bounds, last = first_bounds(grid, grid.isfinite()), -torch.inf
    for _ in range(6):
        bounds = tighten(bounds, grid, edges)
        assert (bounds.lower <= least + 1e-12).all()
        assert (bounds.upper >= least - 1e-12).all()
        assert (bounds.lower >= last - 1e-12).all()  # they only rise
        assert bounds.keep[z > 0].all()
        last = bounds.lower
    assert drop(bounds, least).keep[z > 0].all()


def test_half_halves_are_those_of_the_three_largest_counts():
    """Every block would like 0 and 4 by half, which is dear for each."""
    costs = torch.ones(1, 5, 2, 2, dtype=torch.float64)
    costs[:, [0, 4]] = .5

    def values(*counts):
        z = comixup_relabel(costs, torch.tensor([counts]), beta=0)
        return z.flatten(1, 2)[0, 0].tolist()

    half = [.5, 0, 0, 0, .5]
    assert values(2., 0, 0, 0, 2) == half
    assert values(1., 0, 1, 0, 2) == half
    assert values(1., 1, 1, 0, 1) == [1, 0, 0, 0, 0]  # the last of four equal
    assert values(4., 0, 0, 0, 0) == [1, 0, 0, 0, 0]
    assert values(1, 1, 0, 0, .5) == half


def test_a_half_half_costs_the_mean_less_a_bonus():
    """It pays if a block is dearer by less than twice the bonus."""
    costs = torch.zeros(2, 2, 1, 1, dtype=torch.float64)
    costs[:, 1, 0, 0] = torch.tensor([.9e-3, 1.1e-3])
    z = comixup_relabel(costs, torch.ones(2, 2))
    assert z[:, 0, 0].tolist() == [[.5, .5], [1, 0]]


@pytest.mark.parametrize('few', [1, 2**10])
def test_a_dear_input_beside_its_half_half(monkeypatch, few):
    """0 is cheaper than 1 everywhere, but 1 goes with the half/half 1/2."""
    monkeypatch.setattr(comixup_solver, 'FEW', few)
    row = torch.tensor([[0, .39], [.01, .4], [1, 0]])
    costs = row[None, :, None].expand(1, 3, 2, 2)
    z, = comixup_relabel(costs, torch.tensor([[0., 1, 1]]), beta=1.2)
    assert z.tolist() == 2 * [[[0, 1, 0], [0, .5, .5]]]


def test_an_input_that_is_the_cheapest_nowhere():
    """Each of 9 blocks has a cheapest input of its own, none beside it."""
    edge = BETA / 9
    costs = torch.full((1, 10, 3, 3), 9 * edge, dtype=torch.float64)
    costs[0, :9].view(9, 9).fill_diagonal_(0)
    costs[0, 9] = 1.2 * edge  # 10.8 edges in all, while there are 12
    z = comixup_relabel(costs, torch.zeros(1, 10))
    assert (z[..., 9] == 1).all()
    costs[0, 9] = 1.4 * edge
    z = comixup_relabel(costs, torch.zeros(1, 10))
    assert z.argmax(-1).flatten().tolist() == list(range(9))


def test_edges_between_half_halves_and_inputs():
    names = [{0: 1}, {1: 1}, {2: 1}, {0: .5, 1: .5}, {0: .5, 2: .5},
             {1: .5, 2: .5}]
    weights = torch.tensor([[[c.get(k, 0) for k in range(3)] for c in names]],
                           dtype=torch.float64)
    V, = disagreement(weights)
    for a, b in itertools.product(range(6), range(6)):
        assert V[a, b] == loops.disagreement(names[a], names[b])
    assert V[0, 3] == .25 and V[2, 3] == 1 and V[3, 4] == 1


def test_of_equal_minima_the_first_counts():
    """Blocks may be 0 or 1 as one pleases; edges cost nothing."""
    costs = torch.ones(1, 4, 2, 2, dtype=torch.float64)
    costs[0, 1:3] = 0
    costs[0, 1, 1, 1] = 1
    z = comixup_relabel(costs, torch.zeros(1, 4), beta=0)
    assert z.argmax(-1).tolist() == [[[1, 1], [1, 2]]]
    # with edges, 2 everywhere is the only minimum
    z = comixup_relabel(costs, torch.zeros(1, 4), beta=.32)
    assert z.argmax(-1).tolist() == [[[2, 2], [2, 2]]]


def test_ties_by_the_slow_program():
    """Costs are multiples of an edge: many labellings are equally good."""
    for n, inputs in (2, 5), (3, 4):
        costs = torch.randint(3, (4, inputs, n, n)).double() * BETA / n**2
        counts = torch.zeros(4, inputs)
        counts[2:] = 1
        assert torch.equal(comixup_relabel(costs, counts),
                           expected(costs, counts).double())


def test_equal_images_are_one():
    """However many: no search among what does not differ."""
    costs = torch.rand(1, 1, 4, 4).expand(1, 40, 4, 4)
    z = comixup_relabel(costs, torch.zeros(1, 40))
    assert (z[..., 0] == 1).all()


def test_parts_do_not_meet():
    costs, counts = problem(5, 6, 4, 1)
    together = comixup_relabel(costs, counts)
    order = torch.tensor([3, 0, 4, 1, 2])
    assert torch.equal(comixup_relabel(costs[order], counts[order]),
                       together[order])
    apart = [comixup_relabel(c[None], k[None]) for c, k in zip(costs, counts)]
    assert torch.equal(torch.cat(apart), together)


def test_inputs_have_no_order():
    costs, counts = problem(3, 6, 4, 1)
    counts += torch.rand(3, 6)  # no ties
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    assert torch.equal(comixup_relabel(costs[:, order], counts[:, order]),
                       comixup_relabel(costs, counts)[..., order])


def test_grids_can_be_transposed_and_mirrored():
    costs, counts = problem(3, 6, 4, 1)
    z = comixup_relabel(costs, counts)
    assert torch.equal(comixup_relabel(costs.transpose(2, 3), counts),
                       z.transpose(1, 2))
    assert torch.equal(comixup_relabel(costs.flip(2), counts), z.flip(1))


def test_a_constant_does_not_matter():
    costs, counts = problem(3, 6, 4, 1)
    offset = torch.tensor([-3., 0, 40])[:, None, None, None]
    assert torch.equal(comixup_relabel(costs + offset, counts),
                       comixup_relabel(costs, counts))


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_results_are_like_the_costs(dtype):
    costs, counts = problem(2, 6, 4, 1)
    costs = costs.to(dtype).requires_grad_()
    before = costs.detach().clone()
    z = comixup_relabel(costs, counts)
    assert z.dtype == dtype and z.shape == (2, 4, 4, 6)
    assert not z.requires_grad and torch.equal(costs, before)
    assert torch.equal(z, comixup_relabel(costs.double(), counts).to(dtype))


@pytest.mark.parametrize('costs, counts, beta, message', [
    (torch.ones(1, 2, 3, 4), torch.ones(1, 2), 1, '(1, 2, 3, 4)'),
    (torch.ones(1, 2, 3, 3), torch.ones(2), 1, '(2,)'),
    (torch.ones(1, 2, 3, 3), torch.ones(1, 2), -1., 'beta'),
    (torch.full((1, 2, 3, 3), torch.nan), torch.ones(1, 2), 1, 'finite')])
def test_what_does_not_fit_is_named(costs, counts, beta, message):
    with pytest.raises(ValueError) as error:
        comixup_relabel(costs, counts, beta=beta)
    assert message in str(error.value)
