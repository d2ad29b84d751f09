"""The masks of PuzzleMix: labels of least energy on a grid."""
import math

import torch
from torch import Tensor

from ._puzzle_rows import search_labels, search_moves
from .puzzle_terms import LABELS

# Up to this size, costs may be infinite and weights negative.
SMALL_GRID = 4
# Labellings of a row that are searched. A CPU finds a cut sooner than more of
# them; for a GPU, a cut means to wait for the host.
CPU_STATES, GPU_STATES = 2**8, 2**16
ROUNDING = 4 * torch.finfo(torch.float64).eps


@torch.no_grad()
def puzzle_masks(unary: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Masks of least energy, see ``puzzle_energy``.

    The minimum is the global one, up to rounding in float64, by dynamic
    programs over rows on the device: over all labels of a row if it has no
    more than 256 labellings (on a GPU 65536), else over two labels of each
    block at a time. The latter comes with a lower bound of the energy. Images
    whose energy is above theirs, and rows of more than 8 blocks (on a GPU
    16), are solved by one minimum cut together, on the host, by SciPy.

    Args:
        unary (Tensor): Cost of each label, ``(B, n, n, L)``, floating point,
            L = 2, 3 or 4.
        down (Tensor): Weights between rows, ``(B, n - 1, n)``, floating
            point.
        right (Tensor): Weights between columns, ``(B, n, n - 1)``, floating
            point.

    Returns:
        Tensor: Values 1 - l / (L - 1), ``(B, n, n)``, in the dtype and on
        the device of ``unary``. Of several minimisers, any is returned.

    Raises:
        ValueError: If shapes do not fit; for n > 4 also if costs are not
            finite or weights negative, for which no cut exists.
    """
    _check(unary, down, right)
    blocks, num_labels = unary.shape[2:]
    cost = unary.detach().double()
    # weights between labels, instead of between mask values
    scale = (num_labels - 1)**-2
    costs = (cost - cost.amin(-1, keepdim=True), down.double() * scale,
             right.double() * scale)
    if not len(unary):
        return unary.new_empty(unary.shape[:3])
    if blocks > SMALL_GRID:
        costs = _cut_exists(*costs, torch.finfo(unary.dtype).eps)
    labels = _solve(*costs, CPU_STATES if unary.device.type == 'cpu'
                    else GPU_STATES)
    return 1 - labels.to(unary.dtype) / (num_labels - 1)


def _solve(unary: Tensor, down: Tensor, right: Tensor,
           states: int) -> Tensor:
    """Choose the solver; a row may have as many labellings as ``states``."""
    blocks, num_labels = unary.shape[2:]
    if num_labels**blocks <= states:
        return search_labels(unary, down, right)
    if 2**blocks > states:
        return _by_cut(unary, down, right)
    labels, above = search_moves(unary, down, right)
    size = unary.abs().amax(-1).sum((1, 2))
    uncertain = (above > ROUNDING * size).nonzero()[:, 0]
    if len(uncertain):
        labels[uncertain] = _by_cut(*(
            cost[uncertain] for cost in (unary, down, right)))
    return labels


def _by_cut(unary: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Solve on the host."""
    from ._puzzle_flow import minimum_cut
    host = [tensor.to('cpu').numpy() for tensor in (unary, down, right)]
    return torch.from_numpy(minimum_cut(*host)).to(unary.device)


def _cut_exists(unary: Tensor, down: Tensor, right: Tensor,
                eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Check values; ``eps`` is the rounding of the original dtype."""
    weights = torch.cat([down.flatten(), right.flatten()])
    # read from the device at once
    least, most, low, high = torch.stack(
        [*unary.aminmax(), *weights.aminmax()]).tolist()
    # what rounding may leave where weights of 0 are due
    slack = 4 * eps * high
    if not all(map(math.isfinite, (least, most, high))) or low < -slack:
        raise ValueError(
            'Expected finite costs and weights of at least 0, but got unary '
            f'costs from {least:.3g} to {most:.3g} and weights from '
            f'{low:.3g}. Weights are positive for gamma < 1 and images in '
            '[0, 1].')
    return unary, down.clamp(min=0), right.clamp(min=0)


def _check(unary: Tensor, down: Tensor, right: Tensor) -> None:
    batch, n = unary.shape[:2]
    shapes = [tuple(tensor.shape) for tensor in (unary, down, right)]
    fitting = [(batch, n, n, unary.shape[-1]), (batch, n - 1, n),
               (batch, n, n - 1)]
    if shapes != fitting or unary.shape[-1] not in LABELS:
        raise ValueError(
            'Expected unary (B, n, n, L) with L in '
            f'{LABELS}, down (B, n - 1, n) and right (B, n, n - 1), but got '
            f'{", ".join(map(str, shapes))}.')
