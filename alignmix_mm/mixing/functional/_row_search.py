"""Exact search for the best labelling of a grid with few labels a block.

A dynamic program over rows: its state is the labelling of a row. All rows and
all grids of a batch are handled together where they can be, as a GPU waits
for every call. Nothing is read back from the device.
"""
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

# Two columns with at most so many pairs of labels become one column, which
# takes half of the calls. More would be too much work for their number.
PAIRS = 16


class Columns(NamedTuple):
    """Costs of grids of R rows, by column. Columns may differ in labels.

    Attributes:
        own (Sequence[Tensor]): Of every label, ``(P, R, s)``; infinite for
            labels that are not there.
        down (Sequence[Tensor]): Of a label and that below it,
            ``(P, R - 1, s, s)``.
        right (Sequence[Tensor]): Of a label and that to the right of it, in
            the next column, ``(P, R, s, s')``; one less than columns.
    """

    own: Sequence[Tensor]
    down: Sequence[Tensor]
    right: Sequence[Tensor]

    def sizes(self) -> list[int]:
        """Count the labels of each column."""
        return [own.shape[-1] for own in self.own]


def search_rows(columns: Columns, tie: float = 0.) -> Tensor:
    """Find the best labelling.

    From the last row to the first, each state gets the least energy of all
    rows below, one column after the other, as edges between two rows do not
    interact; then labels are read from the first row to the last. Of equally
    good labellings that with the lowest label at the first block where they
    differ is returned.

    Args:
        columns (Columns): Costs. Time and memory grow with the product of
            their numbers of labels.
        tie (float): Energies that differ by that much are equal. Defaults to
            0.

    Returns:
        Tensor: Labels, ``(P, R, C)``, int64.
    """
    merged = _merge_pairs(columns)
    energies = _row_energies(merged).unbind(1)
    down = list(zip(*(column.unbind(1) for column in merged.down)))
    for r in range(len(down) - 1, -1, -1):
        energies[r].add_(_least_below(energies[r + 1], down[r]))
    radix = _radix(merged.sizes(), energies[0].device)
    chosen = [_first_of_least(energies[0], tie)]
    for above, energy in zip(down, energies[1:]):
        energy.add_(_given_above(above, _digits(chosen[-1], radix)))
        chosen.append(_first_of_least(energy, tie))
    radix = _radix(columns.sizes(), radix.device)
    return _digits(torch.stack(chosen, 1), radix)


def _merge_pairs(columns: Columns) -> Columns:
    """Make one column of each two with few labels, the first of them slow.

    An edge to the right stays a table of the two blocks that it joins.
    """
    own, down, right = [], [], []
    sizes, first = columns.sizes(), 0
    while first < len(sizes):
        pair = sizes[first:first + 2]
        last = first + (len(pair) == 2 and math.prod(pair) <= PAIRS)
        costs, below = columns.own[first], columns.down[first]
        if last > first:
            costs = (costs.unsqueeze(-1) + columns.right[first]
                     + columns.own[last].unsqueeze(-2)).flatten(-2)
            below = below[..., :, None, :, None] + (
                columns.down[last][..., None, :, None, :])
            below = below.flatten(-4, -3).flatten(-2)
        own.append(costs)
        down.append(below)
        right += columns.right[last:last + 1]
        first = last + 1
    return Columns(own, down, right)


def _row_energies(columns: Columns) -> Tensor:
    """Energy of all labellings of all rows, ``(P, R, states)``."""
    total = columns.own[0]
    for own, right in zip(columns.own[1:], columns.right):
        left, begin = right.shape[-2:]
        step = right.unsqueeze(-1) + own.unflatten(
            -1, (begin, -1)).unsqueeze(-3)
        total = total.unflatten(-1, (-1, left, 1))
        total = (total + step.flatten(-2).unsqueeze(-3)).flatten(-3)
    return total.clone() if len(columns.own) == 1 else total


def _least_below(below: Tensor, down: Sequence[Tensor]) -> Tensor:
    """Least energy under every labelling of a row, ``(P, states)``."""
    for step in down:
        # the first axis is minimised, its successor becomes the last
        axis = below.unflatten(1, (step.shape[-1], -1, 1))
        below = (axis + step.mT.unsqueeze(2)).amin(1).flatten(1)
    return below


def _given_above(down: Sequence[Tensor], above: Tensor) -> Tensor:
    """Edge costs to a labelled row above, ``(P, states)``."""
    total = None
    for step, label in zip(down, above.unbind(1)):
        index = label.view(-1, 1, 1).expand(-1, 1, step.shape[-1])
        costs = step.gather(1, index)
        total = costs.squeeze(1) if total is None else (
            total.unsqueeze(-1) + costs).flatten(1)
    return total


def _first_of_least(energies: Tensor, tie: float) -> Tensor:
    """Number of the first labelling with the least energy, ``(P, 1)``."""
    least = energies.amin(1, keepdim=True)
    return (energies <= least + tie).view(torch.uint8).argmax(1, keepdim=True)


def _radix(sizes: Sequence[int], device: torch.device) -> Tensor:
    """Divisor and modulus of each digit of a number, ``(2, digits)``."""
    strides = [math.prod(sizes[c + 1:]) for c in range(len(sizes))]
    return torch.tensor([strides, sizes]).to(device, non_blocking=True)


def _digits(numbers: Tensor, radix: Tensor) -> Tensor:
    """Labels that numbers stand for, ``(..., 1)`` to ``(..., digits)``."""
    return numbers // radix[0] % radix[1]
