"""Co-Mixup: the candidates for a block, inputs and half/halves of two."""
import itertools

import torch
import torch.nn.functional as F
from torch import Tensor

from ._row_search import Columns

HALF_BONUS = 5e-4  # what makes a half/half cheaper than the mean of both
# Beyond rounding: candidates that tie with the best are never dropped.
TOLERANCE = 1e-10


def half_halves(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Half/halves of every two of the three inputs with the most blocks.

    Args:
        counts (Tensor): Number of blocks of each input, ``(P, K)``, any real
            dtype, K > 1.

    Returns:
        tuple[Tensor, Tensor]: Weights of the inputs, ``(P, H, K)``, float64,
        and whether both inputs have blocks, ``(P, H)``, bool.
    """
    largest = counts.sort(dim=1, descending=True, stable=True)[1][:, :3]
    largest = largest.sort(dim=1)[0]
    present = counts.gather(1, largest) > 0
    single = F.one_hot(largest, counts.shape[1]).double() / 2
    pairs = list(itertools.combinations(range(largest.shape[1]), 2))
    return (torch.stack([single[:, a] + single[:, b] for a, b in pairs], 1),
            torch.stack([present[:, a] & present[:, b] for a, b in pairs], 1))


def dominated(costs: Tensor, counts: Tensor, soft: bool) -> Tensor:
    """Inputs that no best labelling needs, because another is never worse.

    If the other input takes all blocks of such an input, no edge gets more
    expensive, unless a half/half contains the input that loses them.

    Args:
        costs (Tensor): Cost of each input in each block, ``(P, K, n, n)``,
            floating point.
        counts (Tensor): Number of blocks of each input, ``(P, K)``, any real
            dtype.
        soft (bool): Whether there are half/halves.

    Returns:
        Tensor: ``(P, K)``, bool.
    """
    flat = costs.flatten(2)
    excess = (flat.unsqueeze(2) - flat.unsqueeze(1)).amax(-1)
    # of inputs that cost the same everywhere, the first is kept
    earlier = torch.ones_like(excess[0], dtype=torch.bool).triu(1)
    beaten = ((excess < 0) | (excess <= 0) & earlier).any(1)
    return beaten & (counts == 0) if soft else beaten


def disagreement(weights: Tensor) -> Tensor:
    """Edge costs of candidates, the V of :func:`comixup_relabel`.

    Args:
        weights (Tensor): Weights of the inputs in each candidate (the inputs,
            then half/halves), ``(P, C, K)``, floating point.

    Returns:
        Tensor: ``(P, C, C)``, in the dtype of ``weights``.
    """
    count, inputs = weights.shape[1:]
    same = torch.eye(count, dtype=weights.dtype, device=weights.device)
    if count == inputs:
        return (1 - same).expand(len(weights), -1, -1)
    parents = weights.where(weights < 1, 0)
    related = 1.5 * F.pad(parents, (0, count - inputs))
    return 1 - same - related - related.transpose(1, 2)


def plausible(costs: Tensor, dearest: float) -> Tensor:
    """Candidates that are good enough for a block.

    Where another one is cheaper by more than all edges of a block, that one
    is better, whatever the neighbours are: they are four.

    Args:
        costs (Tensor): Of every candidate, ``(P, n, n, C)``, float64;
            infinite for those that are not there.
        dearest (float): No two candidates side by side cost more.

    Returns:
        Tensor: ``(P, n, n, C)``, bool.
    """
    least = costs.amin(-1, keepdim=True)
    return costs <= least + (4 * dearest + TOLERANCE)


def columns_of(costs: Tensor, edges: Tensor, order: Tensor,
               sizes: list[int]) -> Columns:
    """Costs of some of the candidates of each block, for a search.

    Args:
        costs (Tensor): Of every candidate, ``(P, n, n, C)``, float64.
        edges (Tensor): Cost of two candidates side by side, symmetric,
            ``(P, C, C)``.
        order (Tensor): Candidates of each block, ``(P, n, n, c)``, int64.
        sizes (list[int]): How many of them each column has.

    Returns:
        Columns: Their costs.
    """
    own = costs.gather(-1, order)
    down = _between(edges, order[:, :-1], order[:, 1:])
    right = _between(edges, order[:, :, :-1], order[:, :, 1:])
    return Columns(
        [own[:, :, c, :a] for c, a in enumerate(sizes)],
        [down[:, :, c, :a, :a] for c, a in enumerate(sizes)],
        [right[:, :, c, :a, :b]
         for c, (a, b) in enumerate(zip(sizes, sizes[1:]))])


def _between(edges: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Edge costs of all labels of blocks, (P, h, w, m) twice to m x m."""
    parts, count = edges.shape[:2]
    pairs = one.unsqueeze(-1) * count + other.unsqueeze(-2)
    table = edges.reshape(parts, -1)
    return table.gather(1, pairs.flatten(1)).view(pairs.shape)
