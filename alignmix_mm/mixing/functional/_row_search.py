"""Exact search for the best labelling of a grid with few labels per block."""
import math

import torch
from torch import Tensor

TIE = 1e-10  # energies that differ only by rounding are equal


def sizes_of(keep: Tensor) -> list[list[int]]:
    """Number of labels of each block, the most of any part, ``n x n``."""
    return keep.sum(-1).amax(0).tolist()


def states(sizes: list[list[int]]) -> int:
    """Number of labellings of the row that has the most."""
    return max(map(math.prod, sizes))


def search_rows(costs: Tensor, edges: Tensor, keep: Tensor) -> Tensor:
    """Find the best labelling by a dynamic program over rows.

    The state is the labelling of a row. From the last row to the first, each
    state gets the least energy of all rows below. This is done block by block,
    because the edges between two rows do not interact. Then labels are read
    from the first row to the last. Of equally good labellings, the one with
    the lowest label at the first block where they differ is returned.

    Args:
        costs (Tensor): Cost of every label, ``(P, n, n, C)``, float64.
        edges (Tensor): Cost of two adjacent labels, symmetric,
            ``(P, C, C)``, float64.
        keep (Tensor): Labels to choose from, ``(P, n, n, C)``, bool. Time
            and memory grow with the product of their numbers in a row.

    Returns:
        Tensor: Labels, ``(P, n, n)``, int64.
    """
    sizes = sizes_of(keep)
    most = max(map(max, sizes))
    # kept labels come first, in ascending order
    order = (~keep).to(torch.uint8).sort(dim=-1, stable=True)[1][..., :most]
    if most == 1:
        return order[..., 0]
    own = costs.where(keep, torch.inf).gather(-1, order)
    right = _edges_between(edges, order[:, :, :-1], order[:, :, 1:])
    right = right + own[:, :, 1:].unsqueeze(-2)
    down = _edges_between(edges, order[:, :-1], order[:, 1:])
    below = [_row_energy(own[:, -1], right[:, -1], sizes[-1])]
    for r in range(len(sizes) - 2, -1, -1):
        best = _least_below(below[-1], down[:, r], sizes[r], sizes[r + 1])
        below.append(_row_energy(own[:, r], right[:, r], sizes[r]) + best)
    choice = _first_of_least(below.pop(), sizes[0])
    choices = [choice]
    for r in range(1, len(sizes)):
        joint = _given_above(down[:, r - 1], choice, sizes[r])
        choice = _first_of_least(below.pop() + joint, sizes[r])
        choices.append(choice)
    chosen = torch.stack(choices, 1).unsqueeze(-1)
    return order.gather(-1, chosen).squeeze(-1)


def _edges_between(edges: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Edge costs of all labels of two blocks, (P, h, w, m, m)."""
    parts, count = edges.shape[:2]
    pairs = a.unsqueeze(-1) * count + b.unsqueeze(-2)
    table = edges.reshape(parts, -1)
    return table.gather(1, pairs.flatten(1)).view(pairs.shape)


def _row_energy(own: Tensor, right: Tensor, sizes: list[int]) -> Tensor:
    """Energy of all labellings of a row, (P, states), last block fastest."""
    total = own[:, 0, :sizes[0]].unsqueeze(1)
    for c in range(1, len(sizes)):
        step = right[:, c - 1, :sizes[c - 1], :sizes[c]].unsqueeze(1)
        total = (total.unsqueeze(-1) + step).flatten(1, 2)
    return total.flatten(1)


def _least_below(below: Tensor, down: Tensor, sizes: list[int],
                 sizes_below: list[int]) -> Tensor:
    """Least energy below every labelling of a row, (P, states)."""
    for c, (size, size_below) in enumerate(zip(sizes, sizes_below)):
        # minimise over the first axis; the new axis becomes the last
        axis = below.view(len(below), size_below, -1, 1)
        step = down[:, c, :size, :size_below].transpose(1, 2).unsqueeze(2)
        below = (axis + step).amin(1).flatten(1)
    return below


def _given_above(down: Tensor, above: Tensor, sizes: list[int]) -> Tensor:
    """Edge costs of every labelling to the row above, (P, states)."""
    index = above[:, :, None, None].expand(-1, -1, 1, down.shape[-1])
    costs = down.gather(2, index).squeeze(2)
    total = costs[:, 0, :sizes[0]]
    for c in range(1, len(sizes)):
        step = costs[:, c, None, :sizes[c]]
        total = (total.unsqueeze(-1) + step).flatten(1)
    return total


def _first_of_least(energies: Tensor, sizes: list[int]) -> Tensor:
    """The first labelling of a row with the least energy, (P, n)."""
    least = energies.amin(1, keepdim=True) + TIE
    index = (energies <= least).to(torch.uint8).argmax(1, keepdim=True)
    strides = [math.prod(sizes[c + 1:]) for c in range(len(sizes))]
    strides, sizes = index.new_tensor([strides, sizes])
    return index // strides % sizes
