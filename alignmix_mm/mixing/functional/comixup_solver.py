"""Co-Mixup: the best labelling of one output."""
import math

import torch
from torch import Tensor

from ._candidates import (
    HALF_BONUS,
    columns_of,
    disagreement,
    dominated,
    half_halves,
    plausible,
)
from ._chain_bounds import Bounds, drop, energy, first_bounds, tighten
from ._row_search import search_rows

# Bounds need two rounds on most grids, and tens of rounds on grids of many
# blocks. On hard grids, labellings rounded from bounds are poor, and a search
# finds better ones.
ROUNDS, GUESS_EVERY = 40, 3
# Labellings of a row: a guess searches GUESS, up to FEW are searched at once,
# more than MOST never. A GPU searches many in the time of few calls.
GUESS, FEW, GPU_FEW, MOST = 2**8, 2**10, 2**15, 2**20
TIE = 1e-10  # energies that differ by rounding only are equal


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
        return relabel(costs.double(), counts, beta, soft,
                       few_of(costs.device)).to(costs.dtype)


def few_of(device: torch.device) -> int:
    """Labellings of a row that are searched at once.

    Args:
        device (torch.device): Where.

    Returns:
        int: Their number.
    """
    return FEW if device.type == 'cpu' else GPU_FEW


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


def relabel(costs: Tensor, counts: Tensor, beta: float, soft: bool,
            few: int) -> Tensor:
    """Label without checks, see :func:`comixup_relabel`; float64.

    ``few`` labellings of a row are searched at once.
    """
    parts, inputs, n, _ = costs.shape
    grid = costs.permute(0, 2, 3, 1)
    weights = torch.eye(inputs, dtype=costs.dtype, device=costs.device)
    weights = weights.expand(parts, -1, -1)
    if soft and inputs > 1:
        halves, there = half_halves(counts)
        mean = torch.einsum('pkyx,phk->pyxh', costs, halves) - HALF_BONUS
        grid = torch.cat(
            [grid, mean.where(there[:, None, None], torch.inf)], -1)
        weights = torch.cat([weights, halves], 1)
    edge = beta / n**2
    edges, keep = disagreement(weights) * edge, plausible(grid, edge)
    sizes = sizes_of(keep)
    if math.prod(sizes) <= few:
        labels = search(grid, edges, keep, sizes)
    else:
        keep[..., :inputs] &= ~dominated(costs, counts, soft)[:, None, None]
        labels = minimise(grid, edges, keep, few)
    index = labels.flatten(1).unsqueeze(-1).expand(-1, -1, inputs)
    return weights.gather(1, index).view(parts, n, n, inputs)


def minimise(costs: Tensor, edges: Tensor, keep: Tensor,
             few: int) -> Tensor:
    """Find the first of the best labellings.

    Args:
        costs (Tensor): Of every label, ``(P, n, n, C)``, float64; infinite
            for labels that are not there.
        edges (Tensor): Cost of two labels side by side, ``(P, C, C)``.
        keep (Tensor): Labels that may be part of it, ``(P, n, n, C)``, bool.
        few (int): Labellings of a row that are searched at once.

    Returns:
        Tensor: Labels, ``(P, n, n)``, int64.
    """
    bounds = first_bounds(costs, keep)
    for k in range(ROUNDS):
        if k and k % GUESS_EVERY == 0:
            some = promising(bounds, GUESS)
            guess = search(costs, edges, some, sizes_of(some))
            bounds = drop(bounds, energy(costs, edges, guess))
        bounds = tighten(bounds, costs, edges)
        sizes = sizes_of(bounds.keep)
        if math.prod(sizes) <= few:
            return search(costs, edges, bounds.keep, sizes)
    # one by one: this takes memory, and most parts have fewer labels
    some, found = promising(bounds, MOST), []
    for *part, every, less in zip(costs.split(1), edges.split(1),
                                  bounds.keep.split(1), some.split(1)):
        keep = every if math.prod(sizes_of(every)) <= MOST else less
        found.append(search(*part, keep, sizes_of(keep)))
    return torch.cat(found)


def sizes_of(keep: Tensor) -> list[int]:
    """Count labels, the most in a block of each column; the host waits."""
    return keep.sum(-1).amax((0, 1)).tolist()


def search(costs: Tensor, edges: Tensor, keep: Tensor,
           sizes: list[int]) -> Tensor:
    """Find the first of the best labellings with labels that are kept.

    Args:
        costs (Tensor): ``(P, n, n, C)``.
        edges (Tensor): ``(P, C, C)``.
        keep (Tensor): ``(P, n, n, C)``, bool.
        sizes (list[int]): See :func:`sizes_of`.

    Returns:
        Tensor: Labels, ``(P, n, n)``, int64.
    """
    # labels that are kept come first, in their order
    order = (~keep).to(torch.uint8).sort(dim=-1, stable=True)[1]
    order = order[..., :max(sizes)]
    if max(sizes) == 1:
        return order.squeeze(-1)
    columns = columns_of(costs.where(keep, torch.inf), edges, order, sizes)
    chosen = search_rows(columns, TIE).unsqueeze(-1)
    return order.gather(-1, chosen).squeeze(-1)


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
