"""The search of rows against all labellings."""
import itertools

import pytest
import torch

from alignmix_mm.mixing.functional import _row_search
from alignmix_mm.mixing.functional._row_search import Columns, search_rows


def problem(rows, sizes, whole=False):
    """Random costs; small whole numbers have many equal labellings."""
    def draw(*shape):
        costs = torch.rand(2, *shape, dtype=torch.float64)
        return (costs * 3).floor() if whole else costs

    return Columns([draw(rows, a) for a in sizes],
                   [draw(rows - 1, a, a) for a in sizes],
                   [draw(rows, a, b) for a, b in zip(sizes, sizes[1:])])


def first_of_best(columns, p, tie=1e-9):
    """The first of the best labellings of one grid, row by row."""
    rows, sizes = columns.own[0].shape[1], columns.sizes()

    def energy(labels):
        total = 0.
        for r, c in itertools.product(range(rows), range(len(sizes))):
            total += columns.own[c][p, r, labels[r][c]].item()
            if r + 1 < rows:
                total += columns.down[c][p, r, labels[r][c],
                                         labels[r + 1][c]].item()
            if c + 1 < len(sizes):
                total += columns.right[c][p, r, labels[r][c],
                                          labels[r][c + 1]].item()
        return total

    row = list(itertools.product(*map(range, sizes)))
    grids = list(itertools.product(row, repeat=rows))
    energies = [energy(labels) for labels in grids]
    least = min(energies)
    return next(list(map(list, labels)) for labels, value in
                zip(grids, energies) if value <= least + tie)


SHAPES = [(1, [4]), (3, [3]), (1, [2, 3, 2]), (2, [3, 1, 2]), (3, [2, 3]),
          (2, [1, 4, 2]), (3, [2, 1, 1, 2])]


@pytest.mark.parametrize('pairs', [1, 6, 16])
@pytest.mark.parametrize('rows, sizes', SHAPES)
def test_all_labellings(monkeypatch, rows, sizes, pairs):
    monkeypatch.setattr(_row_search, 'PAIRS', pairs)
    for whole in False, True:
        columns = problem(rows, sizes, whole)
        copies = [[cost.clone() for cost in costs] for costs in columns]
        labels = search_rows(columns)
        assert labels.tolist() == [first_of_best(columns, p) for p in (0, 1)]
        for costs, before in zip(columns, copies):
            assert all(map(torch.equal, costs, before))


def test_energies_within_the_tie_are_equal():
    columns = Columns([torch.tensor([[[1e-11, 0.], [0., 1e-11]]]).double()],
                      [torch.zeros(1, 1, 2, 2).double()], [])
    assert search_rows(columns).tolist() == [[[1], [0]]]
    assert search_rows(columns, 1e-10).tolist() == [[[0], [0]]]


def test_labels_that_are_not_there():
    columns = problem(3, [3, 2])
    columns.own[0][:, 1, 0] = columns.own[1][0, 2, 1] = torch.inf
    labels = search_rows(columns)
    assert labels.tolist() == [first_of_best(columns, p) for p in (0, 1)]
    assert (labels[:, 1, 0] != 0).all() and labels[0, 2, 1] == 0
