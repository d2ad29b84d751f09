"""Co-Mixup: what a block can be, inputs and half/halves of two."""
import itertools

import torch
import torch.nn.functional as F
from torch import Tensor

HALF_BONUS = 5e-4  # what makes a half/half cheaper than the mean of both
# Beyond rounding: candidates that tie with the best are never dropped.
TOLERANCE = 1e-10


def half_halves(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Mixtures of each two of the three largest inputs.

    Args:
        counts (Tensor): Blocks of each input, ``(P, K)``, K > 1.

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
    """Inputs that no best labelling needs, as another one is never worse.

    Where all blocks of an input are given to the other one no edge becomes
    dearer, unless there is a half/half with the former.

    Args:
        costs (Tensor): Cost of each input in each block, ``(P, K, n, n)``.
        counts (Tensor): Blocks of each input, ``(P, K)``.
        soft (bool): Whether there are half/halves.

    Returns:
        Tensor: ``(P, K)``, bool.
    """
    flat = costs.flatten(2)
    excess = (flat.unsqueeze(2) - flat.unsqueeze(1)).amax(-1)
    # of inputs that are nowhere dearer than each other, the first is kept
    earlier = torch.ones_like(excess[0], dtype=torch.bool).triu(1)
    beaten = ((excess < 0) | (excess <= 0) & earlier).any(1)
    return beaten & (counts == 0) if soft else beaten


def disagreement(weights: Tensor) -> Tensor:
    """Edge costs of candidates, the V of :func:`comixup_relabel`.

    Args:
        weights (Tensor): The inputs, then half/halves, ``(P, C, K)``.

    Returns:
        Tensor: ``(P, C, C)``.
    """
    count, inputs = weights.shape[1:]
    same = torch.eye(count, dtype=weights.dtype, device=weights.device)
    parents = weights.where(weights < 1, 0)
    related = 1.5 * F.pad(parents, (0, count - inputs))
    return 1 - same - related - related.transpose(1, 2)


def plausible(costs: Tensor, edges: Tensor) -> Tensor:
    """Candidates that are good enough for some block.

    Elsewhere the cheapest candidate is better, whatever its neighbours are:
    they are four, and none of them costs more than the dearest edge.

    Args:
        costs (Tensor): Of every candidate, ``(P, n, n, C)``, float64;
            infinite for those that are not there.
        edges (Tensor): Cost of two candidates side by side, ``(P, C, C)``.

    Returns:
        Tensor: Indices, ``(P, c)``, in their order. Parts that have fewer
        than others are filled up with the first of the rest.
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
