"""Labels of a grid by searching its rows, on the device.

Nothing waits for the host. A row of n blocks has S^n labellings, which is few
for small grids, and for larger ones if each block has a choice of two.
"""
import itertools

import torch
from torch import Tensor

from ._row_search import Columns, search_rows

# Labellings of a row, times images, that are searched together: 1.6 GB
TOGETHER = 2**23


def search_labels(unary: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Minimise the sum of unaries and of w (l_p - l_q)^2.

    Args:
        unary (Tensor): Cost of each label, ``(B, n, n, L)``, float64.
        down (Tensor): Weights between rows, ``(B, n - 1, n)``, float64.
        right (Tensor): Weights between columns, ``(B, n, n - 1)``.

    Returns:
        Tensor: Labels ``(B, n, n)``, int64.
    """
    labels = torch.arange(unary.shape[-1], device=unary.device)
    return _best_of(labels.expand_as(unary), unary, down, right)


def search_moves(unary: Tensor, down: Tensor,
                 right: Tensor) -> tuple[Tensor, Tensor]:
    """Minimise a lower bound of it, for weights that are not negative.

    The bound has the largest convex costs below the unary ones. All labels
    are 0 at first. Then some of them are raised by one, those that lower the
    energy most together, and this L - 1 times. For energies of this kind
    (L-natural convex) each time brings the labels nearer to a minimum by one
    and never past all minima, whichever of equally good sets is raised
    (Murota and Shioura, "Exact bounds for steepest descent algorithms of
    L-convex function minimization", 2014).

    Args:
        unary (Tensor): Cost of each label, ``(B, n, n, L)``, float64.
        down (Tensor): Weights between rows, ``(B, n - 1, n)``, float64, not
            negative.
        right (Tensor): Weights between columns, ``(B, n, n - 1)``.

    Returns:
        tuple[Tensor, Tensor]: Labels ``(B, n, n)``, int64, and how far their
        energy is above the lower bound, ``(B, )``: a minimum if it is 0.
    """
    convex = _convex_below(unary)
    labels = torch.zeros_like(unary[..., 0], dtype=torch.int64)
    for _ in range(unary.shape[-1] - 1):
        labels = _best_of(torch.stack([labels, labels + 1], -1), convex, down,
                          right)
    above = (unary - convex).gather(-1, labels.unsqueeze(-1))
    return labels, above.sum(dim=(1, 2, 3))


def _convex_below(unary: Tensor) -> Tensor:
    """The largest costs that are convex in the label, and not above."""
    lower = list(unary.unbind(-1))
    for first, label, last in itertools.combinations(range(len(lower)), 3):
        between = torch.lerp(unary[..., first], unary[..., last],
                             (label - first) / (last - first))
        lower[label] = torch.minimum(lower[label], between)
    return torch.stack(lower, -1)


def _best_of(choice: Tensor, *costs: Tensor) -> Tensor:
    """Choose one of the labels ``(B, n, n, S)`` for each block."""
    states = choice.shape[-1]**choice.shape[1]
    parts = zip(*(tensor.split(max(1, TOGETHER // states))
                  for tensor in (choice, *costs)))
    return torch.cat([_search(*part) for part in parts])


def _search(choice: Tensor, unary: Tensor, down: Tensor,
            right: Tensor) -> Tensor:
    own = unary.gather(-1, choice)
    below = _tables(down, choice[:, :-1], choice[:, 1:])
    beside = _tables(right, choice[:, :, :-1], choice[:, :, 1:])
    picked = search_rows(Columns(own.unbind(2), below.unbind(2),
                                 beside.unbind(2)))
    return choice.gather(-1, picked.unsqueeze(-1)).squeeze(-1)


def _tables(weights: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Costs of two neighbours, ``(B, ..., S, S)``."""
    gap = (one.unsqueeze(-1) - other.unsqueeze(-2)).square()
    return weights[..., None, None] * gap
