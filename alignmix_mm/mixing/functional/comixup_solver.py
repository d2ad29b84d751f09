"""Co-Mixup: the best labelling of one output."""
import torch
from torch import Tensor

from ._candidates import (
    HALF_BONUS,
    disagreement,
    dominated,
    half_halves,
    plausible,
    restrict,
)
from ._chain_bounds import Bounds, drop, energy, first_bounds, tighten
from ._row_search import search_rows, sizes_of, states

# Bounds need two rounds on most grids, and tens of rounds on grids of many
# blocks. On hard grids, labellings rounded from bounds are poor, and a search
# finds better ones.
ROUNDS, GUESS_EVERY = 40, 3
# Labellings of a row: a guess searches up to GUESS, up to FEW are searched at
# once, and never more than MOST.
GUESS, FEW, MOST = 2**8, 2**10, 2**20


def comixup_relabel(costs: Tensor,
                    counts: Tensor,
                    *,
                    beta: float = .32,
                    soft: bool = True) -> Tensor:
    r"""Label the blocks of an output with inputs, at the least cost.

    .. math::
        \min_z \sum_p c_p(z_p) + \frac{\beta}{n^2} \sum_{pq} V(z_p, z_q)

    where ``pq`` are the edges of the grid (Kim et al., "Co-Mixup", 2021,
    section 4). Candidates are the ``K`` inputs and, if ``soft``, half/halves
    of the two inputs of the output, or of every two of its three most
    frequent inputs. A half/half costs the mean of both less ``5e-4``. ``V`` is
    0 for equal labels, .25 for a half/half beside one of its two inputs, and
    1 otherwise.

    The labelling is a global minimum: bounds from chains drop candidates that
    no minimum has, and a dynamic program searches the rest. Of several
    minima, the one with the lowest candidate (inputs, then half/halves in the
    order of their inputs) at the first differing block, row by row, is
    returned; energies within 1e-10 count as equal. If the rest still has more
    than ``2**20`` labellings of a row, as only hard grids of ``n > 4`` have,
    the result is the best labelling of the most promising candidates.

    Args:
        costs (Tensor): Cost of each input in each block, finite,
            ``(P, K, n, n)``, float32 or float64.
        counts (Tensor): Number of blocks of each input in the current
            labelling of this output, ``(P, K)``, any real dtype; a half/half
            counts .5 for each. Of inputs with equal counts, the one with the
            lower index comes first.
        beta (float): Weight of the edges. Defaults to .32.
        soft (bool): Whether half/halves are candidates. Defaults to True.

    Returns:
        Tensor: Assignment ``(P, n, n, K)``, like ``costs``: each block
        one-hot, or .5 for two inputs.

    Raises:
        ValueError: If shapes do not match, costs are not finite, or ``beta``
            is negative.
    """
    check_costs(costs, beta)
    if counts.shape != costs.shape[:2]:
        raise ValueError(
            f'Expected `counts` of shape {(*costs.shape[:2], )}, one for each '
            f'input, but got {(*counts.shape, )}.')
    with torch.no_grad():
        return relabel(costs.double(), counts, beta, soft).to(costs.dtype)


def check_costs(costs: Tensor, beta: float) -> None:
    """Raise if costs are not those of a grid.

    Args:
        costs (Tensor): Costs of blocks, ``(P, K, n, n)``, floating point.
        beta (float): Weight of edges.

    Raises:
        ValueError: If the shape is not ``(P, K, n, n)``, values are not
            finite, or ``beta`` is negative.
    """
    if costs.ndim != 4 or costs.shape[2] != costs.shape[3]:
        raise ValueError('Expected `costs` of shape (P, K, n, n), but got '
                         f'{(*costs.shape, )}.')
    if not costs.isfinite().all():
        raise ValueError('Expected finite `costs`, but some are infinite or '
                         'NaN. Is the saliency finite?')
    if not beta >= 0:
        raise ValueError(f'Expected `beta` >= 0, but got {beta}.')


def relabel(costs: Tensor, counts: Tensor, beta: float, soft: bool) -> Tensor:
    """Label without checks, in float64; see :func:`comixup_relabel`."""
    parts, inputs, n, _ = costs.shape
    useful = ~dominated(costs, counts, soft)
    grid = costs.where(useful[:, :, None, None], torch.inf)
    grid = grid.permute(0, 2, 3, 1)
    weights = torch.eye(inputs, dtype=costs.dtype, device=costs.device)
    weights = weights.expand(parts, -1, -1)
    if soft and inputs > 1:
        halves, there = half_halves(counts)
        mean = torch.einsum('pkyx,phk->pyxh', costs, halves) - HALF_BONUS
        grid = torch.cat(
            [grid, mean.where(there[:, None, None], torch.inf)], -1)
        weights = torch.cat([weights, halves], 1)
    edges = disagreement(weights) * (beta / n**2)
    within = plausible(grid, edges)
    labels = minimise(*restrict(grid, edges, within))
    index = within.gather(1, labels.flatten(1)).unsqueeze(-1)
    return weights.gather(1, index.expand(-1, -1, inputs)).view(
        parts, n, n, inputs)


def minimise(costs: Tensor, edges: Tensor) -> Tensor:
    """Find the first of the best labellings.

    Args:
        costs (Tensor): Cost of every label, ``(P, n, n, C)``, float64;
            infinite for labels that do not exist.
        edges (Tensor): Cost of two adjacent labels, ``(P, C, C)``, float64.

    Returns:
        Tensor: Labels, ``(P, n, n)``, int64.
    """
    bounds = first_bounds(costs)
    for k in range(ROUNDS):
        if k and k % GUESS_EVERY == 0:
            guess = search_rows(costs, edges, promising(bounds, GUESS))
            bounds = drop(bounds, energy(costs, edges, guess))
        bounds = tighten(bounds, costs, edges)
        if states(sizes_of(bounds.keep)) <= FEW:
            return search_rows(costs, edges, bounds.keep)
    some = promising(bounds, MOST)
    # one by one: this takes memory, and most parts have fewer labels
    return torch.cat([
        search_rows(*part, every if states(sizes_of(every)) <= MOST else few)
        for *part, every, few in zip(costs.split(1), edges.split(1),
                                     bounds.keep.split(1), some.split(1))])


def promising(bounds: Bounds, limit: int) -> Tensor:
    """Choose the labels with the lowest bounds, equally many in each block.

    Args:
        bounds (Bounds): Bounds of all labels.
        limit (int): Maximum number of labellings of a row.

    Returns:
        Tensor: ``(P, n, n, C)``, bool.
    """
    most = int(limit**(1 / bounds.keep.shape[1]) + 1e-9)
    order = bounds.excess.where(bounds.keep, torch.inf).argsort(
        dim=-1, stable=True)
    chosen = torch.zeros_like(bounds.keep)
    chosen.scatter_(-1, order[..., :most], True)
    return chosen & bounds.keep
