"""The masks of PuzzleMix: labels of least energy on a grid."""
import numpy as np
import torch
from torch import Tensor

from .puzzle_terms import LABELS

# Up to these sizes a dynamic program finds the labels. On a CPU it is as fast
# as the cut. A GPU handles more states, and need not wait for the host.
SMALL_GRID = 4
GPU_STATES = 3**8


@torch.no_grad()
def puzzle_masks(unary: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Masks of least energy, see ``puzzle_energy``.

    The minimum is global, up to rounding in float64. Small grids (``n <= 4``,
    on a GPU also ``L**n <= 3**8``) are solved on the device, by a dynamic
    program over the labels of n blocks at a time. Larger grids are solved on
    the host, by one minimum cut of SciPy for the whole batch; a GPU waits for
    it.

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
        ValueError: If shapes do not match; on large grids also if costs are
            not finite or weights negative, because then no cut exists.
    """
    _check(unary, down, right)
    blocks, num_labels = unary.shape[2:]
    # weights of differences between labels, not between mask values
    scale = (num_labels - 1)**-2
    costs = (unary.detach().double(), down.double() * scale,
             right.double() * scale)
    if blocks <= SMALL_GRID or (unary.is_cuda
                                and num_labels**blocks <= GPU_STATES):
        labels = _by_profiles(*costs)
    else:
        labels = _by_cut(*costs, torch.finfo(unary.dtype).eps)
    return 1 - labels.to(unary.dtype) / (num_labels - 1)


def _by_profiles(unary: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Go through the blocks; the state is the labels of the last n blocks.

    States are numbers in base L, with the latest label as the last digit: the
    first digit is the block above, which drops out when a label is added.
    """
    batch, blocks, _, num_labels = unary.shape
    rest = num_labels**(blocks - 1)
    labels = torch.arange(num_labels, device=unary.device)
    left = torch.arange(rest, device=unary.device) % num_labels
    gap = (labels[:, None] - labels).square()  # [old, new]
    # the weight is 0 where there is no neighbour
    down = torch.nn.functional.pad(down, (0, 0, 1, 0)).flatten(1)
    right = torch.nn.functional.pad(right, (1, 0)).flatten(1)
    unary = unary.flatten(1, 2)
    energy = unary.new_zeros(batch, num_labels, rest)
    came_from = []
    for k in range(blocks**2):
        above = energy[..., None] + (down[:, k, None, None] * gap)[:, :, None]
        least, oldest = above.min(1)
        came_from.append(oldest.to(torch.uint8).flatten(1))
        energy = (least + right[:, k, None, None] * gap[left]
                  + unary[:, None, k]).view(batch, num_labels, rest)
    state = energy.flatten(1).argmin(1, keepdim=True)
    chosen = []
    for oldest in reversed(came_from):
        chosen.append(state % num_labels)
        state = (oldest.gather(1, state).long() * rest
                 + state.div(num_labels, rounding_mode='floor'))
    return torch.cat(chosen[::-1], 1).view(batch, blocks, blocks)


def _by_cut(unary: Tensor, down: Tensor, right: Tensor,
            eps: float) -> Tensor:
    """Solve on the host; ``eps`` is the rounding of the original dtype."""
    from ._puzzle_flow import minimum_cut
    host = [tensor.to('cpu').numpy() for tensor in (unary, down, right)]
    low = min(weights.min() for weights in host[1:])
    # rounding may turn a weight of 0 into this
    slack = 4 * eps * max(weights.max() for weights in host[1:])
    if not all(np.isfinite(cost).all() for cost in host) or low < -slack:
        raise ValueError(
            'Expected finite costs and weights >= 0, but got unary costs from '
            f'{host[0].min():.3g} to {host[0].max():.3g} and weights from '
            f'{low:.3g}. Weights are positive for gamma < 1 and images in '
            '[0, 1].')
    labels = minimum_cut(host[0], *(w.clip(min=0) for w in host[1:]))
    return torch.from_numpy(labels).to(unary.device)


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
