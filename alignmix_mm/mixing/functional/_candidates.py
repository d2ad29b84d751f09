"""Co-Mixup: the candidates for a block, inputs and half/halves of two."""
import itertools

import torch
import torch.nn.functional as F
from torch import Tensor

HALF_BONUS = 5e-4  # a half/half is cheaper than the mean of both by this
# Above rounding errors: candidates that tie with the best are never dropped.
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
    parents = weights.where(weights < 1, 0)
    related = 1.5 * F.pad(parents, (0, count - inputs))
    return 1 - same - related - related.transpose(1, 2)


def plausible(costs: Tensor, edges: Tensor) -> Tensor:
    """Candidates that are good enough for some block.

    The others lose to the cheapest candidate in every block, whatever the
    neighbours are: a block has four of them, and no edge costs more than the
    most expensive one.

    Args:
        costs (Tensor): Cost of every candidate, ``(P, n, n, C)``, float64;
            infinite for candidates that do not exist.
        edges (Tensor): Cost of two adjacent candidates, ``(P, C, C)``,
            float64.

    Returns:
        Tensor: Indices in ascending order, ``(P, c)``, int64. Parts with
        fewer than others are filled up with the first of the rest.
    """
    excess = (costs - costs.amin(-1, keepdim=True)).amin((1, 2))
    far = excess > 4 * edges.amax((1, 2)).unsqueeze(1) + TOLERANCE
    most = int((~far).sum(1).max())
    return far.to(torch.uint8).sort(dim=1, stable=True)[1][:, :most]


def restrict(costs: Tensor, edges: Tensor,
             within: Tensor) -> tuple[Tensor, Tensor]:
    """Costs and edges of some of the candidates, see :func:`plausible`."""
    n, count = costs.shape[2:]
    columns = within[:, None, None].expand(-1, n, n, -1)
    edges = edges.gather(1, within.unsqueeze(2).expand(-1, -1, count))
    return costs.gather(3, columns), edges.gather(
        2, within.unsqueeze(1).expand(-1, within.shape[1], -1))
