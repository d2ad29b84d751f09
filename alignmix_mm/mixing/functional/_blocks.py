"""Saliency of the blocks of an image."""
import torch
import torch.nn.functional as F
from torch import Tensor


def block_shares(saliency: Tensor, blocks: int) -> Tensor:
    """Share of each block in the saliency of its image.

    Args:
        saliency (Tensor): Not negative, ``(..., S, S)``, floating point.
        blocks (int): Blocks along each side, n.

    Returns:
        Tensor: ``(..., n, n)``, in the dtype of ``saliency``: the mean of each
        block, divided by the sum of the means; 1/n^2 everywhere if that sum
        is 0.

    Raises:
        ValueError: If the maps are not square or not divisible by ``blocks``.
    """
    height, width = saliency.shape[-2:]
    if height != width or blocks < 1 or height % blocks:
        raise ValueError(
            'Expected a square map whose side is a multiple of `blocks`, but '
            f'got {height} x {width} and blocks={blocks}.')
    means = F.avg_pool2d(saliency.reshape(-1, 1, height, width),
                         height // blocks)
    means = means.view(*saliency.shape[:-2], blocks, blocks)
    total = means.sum((-2, -1), keepdim=True)
    # the divisor 1 keeps 0 / 0 out of the branch that is not taken
    shares = means / torch.where(total > 0, total, torch.ones_like(total))
    return torch.where(total > 0, shares,
                       torch.full_like(shares, 1 / blocks**2))
