"""Which labels of a grid can be part of its best labelling.

The rows and columns of the grid are chains; the cost of a block is shared
between the two chains through it. However costs are shared, the sum of the
minima of all chains is a lower bound on the energy. With the two chains of a
block restricted to one of its labels, the same sum is a lower bound on the
energy with this label. Labels whose bound exceeds the energy of a known
labelling are dropped. Shares move to where chains disagree (max-sum diffusion
between two chains; Werner, "A linear programming approach to max-sum problem",
2007), which raises the bound.
"""
from typing import NamedTuple

import torch
from torch import Tensor

from ._candidates import TOLERANCE


class Bounds(NamedTuple):
    """What is known about the labels of a grid.

    Attributes:
        theta (Tensor): Share of each cost in the chain of its row and in that
            of its column, ``(2, P, n, n, C)``, float64; a chain lies along
            dimension 3. Meaningless for dropped labels.
        keep (Tensor): Labels that may be part of a minimiser,
            ``(P, n, n, C)``, bool.
        excess (Tensor): Lower bound on the energy with this label, minus
            ``lower``, ``(P, n, n, C)``, float64.
        lower (Tensor): Lower bound on the energy, ``(P, )``, float64.
        upper (Tensor): Energy of the best labelling so far, ``(P, )``,
            float64.
    """

    theta: Tensor
    keep: Tensor
    excess: Tensor
    lower: Tensor
    upper: Tensor


def first_bounds(costs: Tensor, keep: Tensor) -> Bounds:
    """Bounds before any energy is known.

    Args:
        costs (Tensor): Of every label, ``(P, n, n, C)``, float64.
        keep (Tensor): Labels that may be part of a minimiser,
            ``(P, n, n, C)``, bool.

    Returns:
        Bounds: Each chain has half of each cost.
    """
    nothing = costs.new_full(costs.shape[:1], torch.inf)
    theta = torch.stack([costs, costs.transpose(1, 2)]) / 2
    return Bounds(theta, keep, torch.zeros_like(costs), -nothing, nothing)


def tighten(bounds: Bounds, costs: Tensor, edges: Tensor) -> Bounds:
    """Shift costs between chains, raise the lower bound, round a labelling.

    Args:
        bounds (Bounds): The bounds so far.
        costs (Tensor): Cost of every label, ``(P, n, n, C)``, float64.
        edges (Tensor): Cost of two adjacent labels, symmetric,
            ``(P, C, C)``, float64.

    Returns:
        Bounds: Tighter bounds.
    """
    keep = torch.stack([bounds.keep, bounds.keep.transpose(1, 2)])
    theta = bounds.theta.where(keep, torch.inf)
    marginals = min_marginals(theta, edges)
    least = marginals.amin(-1, keepdim=True)
    rows, columns = marginals - least
    columns = columns.transpose(1, 2)
    excess = rows + columns
    # each of the n blocks gives 1/n of its excess: no chain minimum falls
    shift = (rows - columns) / costs.shape[1]
    bounds = bounds._replace(
        theta=torch.stack([theta[0] - shift,
                           theta[1] + shift.transpose(1, 2)]),
        excess=excess, lower=least[:, :, :, 0, 0].sum(dim=(0, 2)))
    return drop(bounds, energy(costs, edges, excess.argmin(-1)))


def drop(bounds: Bounds, upper: Tensor) -> Bounds:
    """Drop labels that are too expensive, given the energy of a labelling.

    Args:
        bounds (Bounds): The bounds so far.
        upper (Tensor): Energy of a labelling, ``(P, )``, float64.

    Returns:
        Bounds: Bounds with fewer labels.
    """
    upper = torch.minimum(bounds.upper, upper)
    slack = upper + TOLERANCE * (1 + upper.abs()) - bounds.lower
    keep = bounds.keep & (bounds.excess <= slack[:, None, None, None])
    return bounds._replace(keep=keep, upper=upper)


def min_marginals(theta: Tensor, edges: Tensor) -> Tensor:
    """Least cost of every chain, given one of its labels.

    Args:
        theta (Tensor): Costs of labels, chains along dimension -2,
            ``(..., P, n, n, C)``, floating point.
        edges (Tensor): Cost of two adjacent labels, ``(P, C, C)``, likewise.

    Returns:
        Tensor: Like ``theta``.
    """
    # from both ends at once
    both = torch.stack([theta, theta.flip(-2)])
    step = edges[:, None]
    message = torch.zeros_like(both[..., 0, :])
    messages = [message]
    for node in both.unbind(-2)[:-1]:
        message = ((node + message).unsqueeze(-1) + step).amin(-2)
        messages.append(message)
    forward, backward = torch.stack(messages, -2)
    return theta + forward + backward.flip(-2)


def energy(costs: Tensor, edges: Tensor, labels: Tensor) -> Tensor:
    """Cost of labellings.

    Args:
        costs (Tensor): Cost of every label, ``(P, n, n, C)``, floating
            point.
        edges (Tensor): Cost of two adjacent labels, ``(P, C, C)``, likewise.
        labels (Tensor): The labellings, ``(P, n, n)``, int64.

    Returns:
        Tensor: ``(P, )``, in the dtype of ``costs``.
    """
    parts, count = edges.shape[:2]
    table = edges.reshape(parts, -1)
    down = labels[:, 1:] * count + labels[:, :-1]
    right = labels[:, :, 1:] * count + labels[:, :, :-1]
    pairs = torch.cat([down.reshape(parts, -1), right.reshape(parts, -1)], 1)
    own = costs.gather(-1, labels.unsqueeze(-1))
    return own.sum(dim=(1, 2, 3)) + table.gather(1, pairs).sum(1)
