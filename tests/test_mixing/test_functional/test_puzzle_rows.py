"""Search of rows for PuzzleMix against cuts and brute force."""
import itertools

import pytest
import torch

from alignmix_mm.mixing.functional import _puzzle_rows
from alignmix_mm.mixing.functional._puzzle_flow import minimum_cut
from alignmix_mm.mixing.functional._puzzle_rows import (
    _convex_below,
    search_labels,
    search_moves,
)


def problem(n, L, count=3, weight=.3, convex=True):
    unary, down, right = (
        torch.rand(count, *shape, dtype=torch.float64)
        for shape in ((n, n, L), (n - 1, n), (n, n - 1)))
    if convex:  # slopes that rise
        unary = (unary - .5).sort(-1)[0].cumsum(-1)
    return unary, down * weight, right * weight


def energy(labels, unary, down, right):
    labels = labels.double()
    own = unary.gather(-1, labels.long().unsqueeze(-1))
    return (own.sum((1, 2, 3))
            + (down * labels.diff(dim=1).square()).sum((1, 2))
            + (right * labels.diff(dim=2).square()).sum((1, 2)))


def least(*costs):
    """By another solver."""
    cut = minimum_cut(*(cost.numpy() for cost in costs))
    return energy(torch.from_numpy(cut), *costs)


def close(value, expected, scale=1.):
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize('weight', [.02, .3, 2.])
@pytest.mark.parametrize('n, L', [(2, 3), (3, 4), (5, 3), (7, 2), (7, 4)])
def test_moves_find_minima_of_convex_costs(n, L, weight):
    costs = problem(n, L, weight=weight)
    labels, above = search_moves(*costs)
    assert labels.dtype == torch.int64 and (above == 0).all()
    close(energy(labels, *costs), least(*costs))
    if n == 5 and weight == .02:
        assert len(labels.unique()) == L


@pytest.mark.parametrize('n, L', [(2, 3), (3, 3), (5, 4), (6, 3)])
@pytest.mark.parametrize('weight', [0., .1, 1.])
def test_the_lower_bound(n, L, weight):
    """It holds for any costs, and a labelling on it is a minimum."""
    costs = problem(n, L, 8, weight, convex=False)
    labels, above = search_moves(*costs)
    minimum, found = least(*costs), energy(labels, *costs)
    assert (found - above <= minimum + 1e-12).all()
    close(found[above == 0], minimum[above == 0])
    # what is below the convex costs is below the costs
    close(energy(labels, _convex_below(costs[0]), *costs[1:]),
          found - above)


@pytest.mark.parametrize('n, L', [(1, 3), (2, 2), (2, 4), (3, 3)])
def test_brute_force_of_labels(n, L):
    """Negative weights too."""
    unary, down, right = problem(n, L, 2, convex=False)
    costs = unary, down - .2, right - .2
    grids = torch.tensor(list(itertools.product(range(L), repeat=n * n)))
    grids = grids.view(-1, n, n)
    wanted = torch.stack([
        energy(grids, *(cost.expand(len(grids), *cost.shape)
                        for cost in image)).min() for image in zip(*costs)])
    close(energy(search_labels(*costs), *costs), wanted)


@pytest.mark.parametrize('L', [3, 4])
@pytest.mark.parametrize('scale', [1e-6, 1., 1e6])
def test_scales_and_degenerate_costs(L, scale):
    unary, down, right = problem(5, L)
    flat, none = torch.zeros_like(unary), torch.zeros_like(down)
    wide = scale**torch.rand(5, 5, 1).double()  # of blocks of one image
    for costs in ((unary * scale, down * scale, right * scale),
                  (unary * wide, down, right), (unary, none, none.mT),
                  (flat, down * scale, right), (flat, none, none.mT)):
        labels, above = search_moves(*costs)
        size = 1 + costs[0].abs().sum()
        assert (above <= 1e-15 * size).all()
        close(energy(labels, *costs), least(*costs), size)


def test_costs_that_are_convex_below():
    unary = torch.tensor([[0., 9, 9, 3], [4, 1, 0, 0], [0, 0, 2, 1],
                          [3, 0, 6, 0]])
    assert _convex_below(unary).tolist() == [
        [0, 1, 2, 3], [4, 1, 0, 0], [0, 0, .5, 1], [3, 0, 0, 0]]
    pair = torch.rand(4, 2)
    assert torch.equal(_convex_below(pair), pair)


@pytest.mark.parametrize('search', [search_labels, search_moves])
def test_batches_in_parts_and_of_no_image(monkeypatch, search):
    costs = problem(3, 3, 5)

    def labels(*costs):
        found = search(*costs)
        return found[0] if isinstance(found, tuple) else found

    whole = labels(*costs)
    monkeypatch.setattr(_puzzle_rows, 'TOGETHER', 2 * 3**3)
    assert torch.equal(labels(*costs), whole)
    assert labels(*(cost[:0] for cost in costs)).shape == (0, 3, 3)
