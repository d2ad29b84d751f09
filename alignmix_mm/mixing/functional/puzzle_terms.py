"""The energy of PuzzleMix, whose minimum is the mask.

Kim, Choo and Song, *Puzzle Mix: exploiting saliency and local statistics for
optimal mixup* (2020).
"""
from math import comb

import torch
import torch.nn.functional as F
from torch import Tensor

from ._blocks import block_shares

LABELS = (2, 3, 4)


def puzzle_costs(images: Tensor, saliency: Tensor, perm: Tensor,
                 lam: float | Tensor, blocks: int, *, beta: float = 1.2,
                 gamma: float = .5, eta: float = .2, neigh_size: int = 4,
                 num_labels: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    r"""Unary costs and edge weights of the masks of a batch.

    Label l of L is the mask value :math:`m = 1 - l / (L - 1)`: 1 shows the
    image itself, 0 its partner. Let s be the saliency share of a block, and
    s' that of the partner. Let :math:`d_{pq}` be the difference across the
    border of two blocks, of which the first shows image p and the second
    image q (1 is the image itself, 0 the partner), and
    :math:`b = \beta / (16 n)`. Then the costs are

    .. math::
        U(l) = m (s' + D_1) + (1 - m) (s + D_0) - \frac{\eta}{n^2} \log
        \left( \binom{L-1}{l} \lambda^{L-1-l} (1-\lambda)^l + 10^{-8} \right)

        w = b \gamma (d_{10} + d_{01} - d_{11} - d_{00}) / 2 + b

    where :math:`D_p` sums :math:`b \gamma` times d over the borders of a
    block, averaged over the two images that the other block may show. Weights
    are positive for gamma < 1, because d is at most 1.

    Args:
        images (Tensor): ``(B, C, S, S)``, floating point, in [0, 1].
        saliency (Tensor): Not negative, ``(B, S, S)``, floating point.
        perm (Tensor): Partner of each image, ``(B, )``, int64.
        lam (float | Tensor): Target share of the image itself, in [0, 1];
            one number or ``(B, )``.
        blocks (int): Blocks along each side, n.
        beta (float): Weight of smooth masks. Defaults to 1.2.
        gamma (float): Weight of smooth images. Defaults to 0.5.
        eta (float): Weight of the prior. Defaults to 0.2.
        neigh_size (int): Images are averaged over cells of at most this side,
            in pixels, before borders are compared. Defaults to 4.
        num_labels (int): L: 2, 3 or 4. Defaults to 3.

    Returns:
        tuple[Tensor, Tensor, Tensor]: In the dtype of the arguments, unary
        costs ``(B, n, n, L)``, weights of the edges between rows
        ``(B, n - 1, n)`` and between columns ``(B, n, n - 1)``.

    Raises:
        ValueError: If ``num_labels`` is not 2, 3 or 4, or sizes do not match.
    """
    side = _block_side(images, saliency, blocks)
    cell = min(neigh_size, side)
    _check(num_labels, side, cell)
    share = block_shares(saliency, blocks)
    pooled = F.avg_pool2d(images, cell)
    pooled = torch.stack((pooled[perm], pooled))
    # [p]: the cost of showing image p, which hides the saliency of the other
    cost = torch.stack((share, share[perm]))
    scale = beta / blocks / 16
    cost, down = _add_borders(cost, pooled, scale, gamma)
    cost, right = _add_borders(cost.mT, pooled.mT, scale, gamma)
    cost = cost.mT
    if not isinstance(lam, Tensor):  # fill on the device, copy nothing to it
        lam = share.new_full((), lam)
    # float16 has no 1e-8
    lam = lam.to(share.device, torch.promote_types(share.dtype, torch.float32))
    lam = lam.view(-1, 1, 1)
    last = num_labels - 1
    unary = []
    for label in range(num_labels):
        mask = 1 - label / last
        chance = (comb(last, label) * lam**(last - label) * (1 - lam)**label)
        prior = eta / blocks**2 * (chance + 1e-8).log()
        unary.append(mask * cost[1] + (1 - mask) * cost[0] - prior.to(share))
    return torch.stack(unary, -1), down, right.mT


def puzzle_energy(masks: Tensor, unary: Tensor, down: Tensor,
                  right: Tensor) -> Tensor:
    r"""Energy of masks: unary costs, and :math:`w (m_i - m_j)^2` for edges.

    Args:
        masks (Tensor): Values 1 - l / (L - 1), ``(B, n, n)``, floating
            point.
        unary (Tensor): ``(B, n, n, L)``, as ``puzzle_costs`` returns it.
        down (Tensor): ``(B, n - 1, n)``, likewise.
        right (Tensor): ``(B, n, n - 1)``, likewise.

    Returns:
        Tensor: ``(B, )``, in the dtype of the arguments.
    """
    labels = ((1 - masks) * (unary.shape[-1] - 1)).round().long()
    chosen = unary.gather(-1, labels[..., None])
    return (chosen.sum((1, 2, 3))
            + (down * masks.diff(dim=1).square()).sum((1, 2))
            + (right * masks.diff(dim=2).square()).sum((1, 2)))


def _add_borders(cost: Tensor, pooled: Tensor, scale: float,
                 gamma: float) -> tuple[Tensor, Tensor]:
    """Add the borders between rows of blocks.

    Args:
        cost (Tensor): Cost of showing either image, ``(2, B, n, n)``.
        pooled (Tensor): Cells of both images, ``(2, B, C, kn, kn)``.
        scale (float): b of :func:`puzzle_costs`.
        gamma (float): Weight of the differences.

    Returns:
        tuple[Tensor, Tensor]: Costs ``(2, B, n, n)`` and weights
        ``(B, n - 1, n)``.
    """
    blocks = cost.shape[-1]
    cells = pooled.shape[-1] // blocks
    ends = pooled[..., cells - 1:-1:cells, :]
    starts = pooled[..., cells::cells, :]
    # [p, q]: the upper block shows image p, the lower one image q
    d = (ends[:, None] - starts).abs().mean(3)
    d = d.unflatten(-1, (blocks, cells)).mean(-1) * (scale * gamma)
    cost = (cost + F.pad(d.mean(1), (0, 0, 0, 1))
            + F.pad(d.mean(0), (0, 0, 1, 0)))
    return cost, (d[1, 0] + d[0, 1] - d[1, 1] - d[0, 0]) / 2 + scale


def _block_side(images: Tensor, saliency: Tensor, blocks: int) -> int:
    size = images.shape[-2:]
    if size != saliency.shape[-2:] or len(images) != len(saliency):
        raise ValueError(
            'Expected images (B, C, S, S) and saliency (B, S, S), but got '
            f'{tuple(images.shape)} and {tuple(saliency.shape)}.')
    if size[0] != size[1] or blocks < 1 or size[0] % blocks:
        raise ValueError(
            'Expected square images whose side is a multiple of `blocks`, '
            f'but got {size[0]} x {size[1]} and blocks={blocks}. Resize the '
            'images or choose different `blocks`.')
    return size[0] // blocks


def _check(num_labels: int, side: int, cell: int) -> None:
    if num_labels not in LABELS:
        raise ValueError(f'Expected `num_labels` to be one of {LABELS}, but '
                         f'got {num_labels}.')
    if cell < 1 or side % cell:
        raise ValueError(
            'Expected `neigh_size` to divide the side of a block, or to be at '
            f'least as large, but got neigh_size={cell} and blocks of {side} '
            f'x {side} pixels. Choose a divisor of {side}.')
