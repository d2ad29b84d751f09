"""Masks of PuzzleMix against brute force and linear programs."""
import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from scipy.sparse import coo_array

from alignmix_mm.mixing.functional import (
    puzzle_costs,
    puzzle_energy,
    puzzle_masks,
    puzzle_solver,
)
from alignmix_mm.mixing.functional._puzzle_rows import search_labels
from alignmix_mm.mixing.functional.puzzle_solver import _by_cut, _solve

EXACT = dict(rtol=0, atol=1e-12)  # sums of up to 736 terms below 1


def problem(n, L, count=5, weight=1.):
    """Random costs for which neighbours matter about as much as blocks."""
    shapes = (n, n, L), (n - 1, n), (n, n - 1)
    unary, down, right = (torch.rand(count, *shape, dtype=torch.float64)
                          for shape in shapes)
    return unary, down * weight, right * weight


def picture_costs(n, L=3, lam=.5):
    """Costs of smooth images whose saliency has peaks: long borders."""
    grid = torch.linspace(0, 1, 32, dtype=torch.float64)
    phase = torch.arange(1, 5, dtype=torch.float64)[:, None, None, None]
    wave = torch.sin(9 * phase * grid[:, None] * (1 + grid) + phase)
    images = (wave.expand(-1, 3, -1, -1) + 1) / 2
    saliency = (torch.cos(5 * phase * grid[:, None] - 7 * grid)**8)[:, 0]
    return puzzle_costs(images, saliency, torch.tensor([1, 2, 3, 0]), lam, n,
                        num_labels=L)


def all_masks(n, L):
    labels = np.array(list(itertools.product(range(L), repeat=n * n)))
    return 1 - torch.tensor(labels).view(-1, n, n).double() / (L - 1)


def brute_force(costs):
    """The least energy of every image."""
    unary = costs[0]
    masks = all_masks(unary.shape[1], unary.shape[3])
    return torch.stack([
        puzzle_energy(masks, *(cost[None].expand(len(masks), *cost.shape)
                               for cost in image)).min()
        for image in zip(*costs)])


def linear_program(unary, down, right):
    """Best labels of one image, by marginals of labels and of pairs of them.

    The solution is whole, because the cost of a pair is convex in the
    difference.
    """
    n, _, L = unary.shape
    gap = (torch.arange(L)[:, None] - torch.arange(L)).square() / (L - 1)**2
    edges = [(y * n + x, y * n + x + n, down[y, x])
             for y in range(n - 1) for x in range(n)]
    edges += [(y * n + x, y * n + x + 1, right[y, x])
              for y in range(n) for x in range(n - 1)]
    cost = [unary.flatten()] + [(w * gap).flatten() for *_, w in edges]
    blocks = n * n * L
    rows, columns, values = [], [], []
    wanted = np.zeros(n * n + 2 * L * len(edges))
    wanted[:n * n] = 1
    for p in range(blocks):
        rows.append(p // L), columns.append(p), values.append(1)
    row = n * n
    for e, ends in enumerate(edges):
        for side, block in enumerate(ends[:2]):
            for label in range(L):
                for other in range(L):
                    pair = ((label, other), (other, label))[side]
                    rows.append(row)
                    columns.append(blocks + (e * L + pair[0]) * L + pair[1])
                    values.append(1)
                rows.append(row), columns.append(block * L + label)
                values.append(-1)
                row += 1
    matrix = coo_array((values, (rows, columns)))
    # HiGHS resolves reduced costs of 1e-7, whatever the scale
    result = linprog(1e6 * torch.cat(cost).numpy(), A_eq=matrix.tocsr(),
                     b_eq=wanted)
    assert result.status == 0
    marginals = torch.tensor(result.x[:blocks]).view(n, n, L)
    assert ((marginals < 1e-6) | (marginals > 1 - 1e-6)).all()
    return marginals.argmax(-1)


def energy(labels, costs):
    return puzzle_energy(1 - labels.double() / (costs[0].shape[-1] - 1),
                         *costs)


def of_labels(costs):
    """Weights between labels instead of mask values."""
    unary, down, right = costs
    scale = (unary.shape[-1] - 1)**-2
    return unary, down * scale, right * scale


@pytest.mark.parametrize('weight', [.1, .6, 3.])
@pytest.mark.parametrize('n, L', [(1, 3), (2, 2), (2, 3), (2, 4), (3, 2),
                                  (3, 3)])
def test_brute_force(n, L, weight):
    costs = problem(n, L, weight=weight)
    least = brute_force(costs)
    masks = puzzle_masks(*costs)
    assert masks.shape == (5, n, n) and masks.dtype == torch.float64
    torch.testing.assert_close(puzzle_energy(masks, *costs), least, **EXACT)
    if n > 1:
        cut = _by_cut(*of_labels(costs))
        torch.testing.assert_close(energy(cut, costs), least, **EXACT)


@pytest.mark.parametrize('n, L, weight', [
    (4, 2, 1.), (4, 3, .8), (4, 4, 2.), (5, 3, 2.), (6, 2, .6), (5, 4, 1.),
    (8, 2, 1.), (8, 3, 1.5)])
def test_cut_and_dynamic_program_agree(n, L, weight):
    costs = problem(n, L, 3, weight)
    rows, cut = (search_labels(*of_labels(costs)),
                     _by_cut(*of_labels(costs)))
    torch.testing.assert_close(energy(rows, costs), energy(cut, costs),
                               **EXACT)
    assert len(cut.unique()) > 1  # the problem is not a trivial one


@pytest.mark.parametrize('n, L, lam', [(4, 3, .5), (8, 3, .6), (8, 4, .5),
                                       (16, 2, .5), (16, 3, .45)])
def test_linear_program_of_pictures(n, L, lam):
    costs = picture_costs(n, L, lam)
    masks = puzzle_masks(*costs)
    assert len(masks.unique()) > 1
    labels = torch.stack([linear_program(*image) for image in zip(*costs)])
    torch.testing.assert_close(puzzle_energy(masks, *costs),
                               energy(labels, costs), **EXACT)


@pytest.fixture
def ways(monkeypatch):
    """Names of the solvers that ran, and their number of images."""
    ran = []

    def spy(name):
        solver = getattr(puzzle_solver, name)

        def run(*costs):
            ran.append((name, len(costs[0])))
            return solver(*costs)

        monkeypatch.setattr(puzzle_solver, name, run)

    for name in ('search_labels', 'search_moves', '_by_cut'):
        spy(name)
    return ran


@pytest.mark.parametrize('n, L, way', [
    (4, 4, 'search_labels'), (8, 2, 'search_labels'), (8, 3, 'search_moves'),
    (8, 4, 'search_moves'), (16, 2, '_by_cut'), (16, 3, '_by_cut')])
def test_which_way_a_cpu_takes(ways, n, L, way):
    """Costs of pictures are convex: no cut has to follow."""
    puzzle_masks(*picture_costs(n, L))
    assert ways == [(way, 4)]


@pytest.mark.parametrize('n, L, way', [
    (8, 4, 'search_labels'), (16, 2, 'search_labels'),
    (16, 3, 'search_moves')])
def test_what_a_gpu_searches(ways, n, L, way):
    costs = [cost[1:2] for cost in of_labels(picture_costs(n, L))]
    labels = _solve(*costs, states=puzzle_solver.GPU_STATES)
    assert ways == [(way, 1)] and len(labels.unique()) > 1
    cut = _by_cut(*costs)
    torch.testing.assert_close(
        *(energy(found, picture_of_labels(costs)) for found in (labels, cut)),
        **EXACT)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize('n, L', [(4, 3), (8, 3), (8, 4), (16, 2), (16, 3)])
def test_a_gpu_finds_what_a_cpu_finds(ways, n, L):
    costs = picture_costs(n, L)
    masks = puzzle_masks(*(cost.to('cuda') for cost in costs))
    assert '_by_cut' not in dict(ways)
    torch.testing.assert_close(
        puzzle_energy(masks.to('cpu'), *costs),
        puzzle_energy(puzzle_masks(*costs), *costs), **EXACT)


def picture_of_labels(costs):
    """The reverse of ``of_labels``."""
    scale = (costs[0].shape[-1] - 1)**2
    return costs[0], costs[1] * scale, costs[2] * scale


def test_images_above_their_bound_are_cut(ways):
    convex, costs = picture_costs(8), problem(8, 3, 4)
    mixed = [torch.cat(pair) for pair in zip(convex, costs)]
    order = torch.tensor([4, 0, 5, 1, 6, 2, 7, 3])
    mixed = [cost[order] for cost in mixed]
    masks = puzzle_masks(*mixed)
    assert ways == [('search_moves', 8), ('_by_cut', 4)]
    least = energy(_by_cut(*of_labels(mixed)), mixed)
    torch.testing.assert_close(puzzle_energy(masks, *mixed), least, **EXACT)


def test_lambda_near_its_ends_needs_no_cut(ways):
    """Priors are not convex there, but the labels chosen are at the ends."""
    for lam in 0, 1e-6, 1 - 1e-6, 1:
        puzzle_masks(*picture_costs(8, 3, lam))
    assert ways == 4 * [('search_moves', 4)]


@pytest.mark.parametrize('n', [3, 7, 8, 9])
@pytest.mark.parametrize('count', [0, 1])
def test_batches_of_no_image_and_of_one(n, count):
    costs = problem(n, 3, count)
    masks = puzzle_masks(*costs)
    assert masks.shape == (count, n, n) and masks.dtype == torch.float64
    if count:
        cut = _by_cut(*of_labels(costs))
        torch.testing.assert_close(puzzle_energy(masks, *costs),
                                   energy(cut, costs), **EXACT)


def test_no_block_can_be_improved():
    costs = picture_costs(16, 4)
    masks = puzzle_masks(*costs)
    least = puzzle_energy(masks, *costs)
    for y, x in itertools.product(range(16), repeat=2):
        for value in (0, 1 / 3, 2 / 3, 1):
            changed = masks.clone()
            changed[:, y, x] = value
            assert (puzzle_energy(changed, *costs) >= least - 1e-14).all()


def test_costs_that_int32_cannot_resolve():
    """Both labels cost an image the same but for 1e-11."""
    n, count = 6, 10
    unary, down, right = problem(n, 2, count)
    unary[..., 1] = unary[..., 0] + torch.rand(count, n, n).double() - .5
    sign = torch.tensor([1., -1.]).double().repeat(count // 2)
    difference = (unary[..., 1] - unary[..., 0]).sum((1, 2))
    unary[:, 0, 0, 1] += 1e-11 * sign - difference
    masks = puzzle_masks(unary, down + 20, right + 20)  # one label for all
    wanted = (sign[:, None, None] > 0).double().expand(count, n, n)
    assert torch.equal(masks, wanted)


def test_costs_beyond_int32():
    """One block holds all saliency: the official solver wraps here."""
    images = torch.full((2, 1, 16, 16), .5, dtype=torch.float64)
    saliency = torch.zeros(2, 16, 16, dtype=torch.float64)
    saliency[0, 3, 4], saliency[1, 12, 9] = 1, 1
    costs = puzzle_costs(images, saliency, torch.tensor([1, 0]), .5, 16)
    masks = puzzle_masks(*costs)
    assert masks[0, 3, 4] == masks[1, 12, 9] == 1
    assert masks[0, 12, 9] == masks[1, 3, 4] == 0
    labels = torch.stack([linear_program(*image) for image in zip(*costs)])
    torch.testing.assert_close(puzzle_energy(masks, *costs),
                               energy(labels, costs), **EXACT)


def test_images_of_different_scales_do_not_disturb_each_other():
    costs = problem(5, 3, 4)
    scale = torch.tensor([1e-6, 1., 1e5, 1e-2]).double()[:, None, None]
    scaled = (costs[0] * scale[..., None], costs[1] * scale, costs[2] * scale)
    assert torch.equal(puzzle_masks(*scaled), puzzle_masks(*costs))


@pytest.mark.parametrize('n', [3, 5])
def test_the_order_of_the_batch_does_not_matter(n):
    costs = problem(n, 3)
    order = torch.tensor([3, 1, 4, 0, 2])
    assert torch.equal(puzzle_masks(*(cost[order] for cost in costs)),
                       puzzle_masks(*costs)[order])


@pytest.mark.parametrize('n', [2, 4, 8])
@pytest.mark.parametrize('lam', [0, 1])
def test_lambda_0_and_1_show_one_image(n, lam):
    images = torch.rand(1, 3, 16, 16).expand(2, -1, -1, -1)
    saliency = torch.ones(2, 16, 16)
    costs = puzzle_costs(images, saliency, torch.tensor([1, 0]), lam, n)
    assert torch.equal(puzzle_masks(*costs), torch.full((2, n, n), float(lam)))


@pytest.mark.parametrize('n', [3, 6])
def test_zero_costs_and_single_precision(n):
    costs = [cost.float() for cost in problem(n, 3)]
    copies = [cost.clone() for cost in costs]
    masks = puzzle_masks(*costs)
    assert masks.dtype == torch.float32
    assert all(map(torch.equal, costs, copies))
    exact = puzzle_masks(*(cost.double() for cost in costs))
    assert torch.equal(masks.double(), exact)
    assert torch.equal(masks, puzzle_masks(costs[0].requires_grad_(),
                                           *costs[1:]))
    zeros = [torch.zeros_like(cost) for cost in costs]
    assert (puzzle_energy(puzzle_masks(*zeros), *zeros) == 0).all()


def test_negative_weights():
    """Exact on small grids; a cut needs weights that attract."""
    costs = problem(3, 3)
    costs = costs[0], costs[1] - .5, costs[2] - .5
    torch.testing.assert_close(puzzle_energy(puzzle_masks(*costs), *costs),
                               brute_force(costs), **EXACT)
    unary, down, right = problem(5, 3)
    with pytest.raises(ValueError, match='weights from -1. .* gamma < 1'):
        puzzle_masks(unary, down, torch.full_like(right, -4.))
    rounded = down.clone()
    rounded[:, 0, 0] = -1e-17  # gamma = 1 may give that instead of 0
    assert puzzle_masks(unary, rounded, right).shape == (5, 5, 5)


@pytest.mark.parametrize('which', [0, 1, 2])
@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_costs_that_are_not_finite(which, bad):
    costs = problem(5, 2)
    costs[which][0, 0, 0] = bad
    with pytest.raises(ValueError, match='Expected finite costs'):
        puzzle_masks(*costs)


@pytest.mark.parametrize('shapes', [
    ((2, 4, 4, 5), (2, 3, 4), (2, 4, 3)), ((2, 4, 4, 3), (2, 4, 3), (2, 3, 4)),
    ((2, 4, 3, 3), (2, 3, 4), (2, 4, 3)), ((2, 4, 4, 3), (1, 3, 4), (2, 4, 3))
])
def test_shapes_that_do_not_fit(shapes):
    with pytest.raises(ValueError, match=r'down \(B, n - 1, n\)'):
        puzzle_masks(*map(torch.zeros, shapes))
