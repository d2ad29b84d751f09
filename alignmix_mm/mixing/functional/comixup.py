"""Co-Mixup: the cost of assigning inputs to outputs, and the mixture.

Kim et al., "Co-Mixup: Saliency guided joint mixup with supermodular
diversity" (2021). Each of ``P`` parts of ``K`` images (inputs) is mixed into
``M`` outputs. An assignment gives each of the ``n x n`` blocks of every output
one input, or half of each of two.
"""
import torch
import torch.nn.functional as F
from torch import Tensor

from ._blocks import block_shares

FLOOR = 1e-8  # keeps the logarithm of a share of 0 finite


def comixup_compatibility(saliency: Tensor,
                          omega: float = .001,
                          window: int = 8) -> Tensor:
    r"""Compatibility of inputs, higher if their saliency peaks are far apart.

    .. math::
        A = (1 - \omega) I + \omega K D / \sum_{kl} D_{kl}

    ``D`` is the L1 distance, in pixels, between the most salient windows of
    two inputs. The second term is 0 if all these windows coincide.

    Args:
        saliency (Tensor): Not negative, ``(P, K, S, S)``, floating point.
        omega (float): Weight of the distances. Defaults to .001.
        window (int): Side of the windows in pixels; there is one at every
            pixel. Of equal windows, the first in row-major order counts.
            Defaults to 8.

    Returns:
        Tensor: ``(P, K, K)``, like ``saliency``.

    Raises:
        ValueError: If the maps are not square or smaller than the window.
    """
    height, width = saliency.shape[-2:]
    if saliency.ndim != 4 or height != width or not 1 <= window <= height:
        raise ValueError(
            'Expected saliency (P, K, S, S) with S at least the side of the '
            f'window, {window}, but got {(*saliency.shape, )}. Pass a smaller '
            '`window`, or square images.')
    means = F.avg_pool2d(saliency, window, stride=1)
    peak = means.flatten(2).argmax(2)
    place = torch.stack([peak // means.shape[-1], peak % means.shape[-1]], -1)
    distance = place.unsqueeze(2) - place.unsqueeze(1)
    wide = torch.promote_types(saliency.dtype, torch.float32)  # no overflow
    distance = distance.abs().sum(-1).to(wide)
    # where the sum is 0, all distances are: any divisor will do
    distance /= distance.sum(dim=(1, 2), keepdim=True).clamp(min=1)
    inputs = saliency.shape[1]
    same = torch.eye(inputs, dtype=saliency.dtype, device=saliency.device)
    return (1 - omega) * same + omega * inputs * distance.to(saliency.dtype)


def comixup_costs(saliency: Tensor,
                  prior: Tensor,
                  blocks: int = 4,
                  eta: float = .05) -> Tensor:
    r"""Cost of giving a block to an input, from its saliency and the prior.

    .. math::
        c_k = -share_k - \frac{\eta}{n^2} \log(prior_k + 10^{-8})

    Args:
        saliency (Tensor): Not negative, ``(P, K, S, S)``, floating point.
            The share of a block is its mean divided by the sum of the means
            of all blocks, or ``1 / n**2`` if the saliency is 0 everywhere.
        prior (Tensor): Target share of each input, drawn from a Dirichlet
            distribution, ``(P, K)``, floating point.
        blocks (int): Blocks ``n`` along each side. Defaults to 4.
        eta (float): Weight of the prior. Defaults to .05.

    Returns:
        Tensor: ``(P, K, n, n)``, like ``saliency``.

    Raises:
        ValueError: If the maps are not square or cannot be divided into
            blocks, or the prior has a different shape.
    """
    if prior.shape != saliency.shape[:2]:
        raise ValueError(
            'Expected saliency (P, K, S, S) and a prior (P, K), but got '
            f'{(*saliency.shape, )} and {(*prior.shape, )}.')
    prior = prior.to(torch.promote_types(prior.dtype, torch.float32))
    preference = eta / blocks**2 * (prior + FLOOR).log()
    return (-block_shares(saliency, blocks) -
            preference.to(saliency.dtype)[:, :, None, None])


def comixup_penalty(counts: Tensor,
                    compatibility: Tensor,
                    cells: int,
                    *,
                    gamma: float = 1.,
                    tau: float = .83) -> Tensor:
    r"""Cost per block of inputs that the other outputs already use a lot.

    .. math::
        \frac{2 \gamma}{cells} A (counts \odot 1[A \, counts > \tau \, cells])

    Args:
        counts (Tensor): Blocks of each input in all other outputs,
            ``(P, K)``, floating point.
        compatibility (Tensor): ``A``, ``(P, K, K)``, floating point.
        cells (int): Number of blocks of an output, ``n**2``.
        gamma (float): Weight of diversity. Defaults to 1.
        tau (float): Share of an output up to which an input costs nothing.
            Defaults to .83.

    Returns:
        Tensor: ``(P, K)``, like ``counts``.
    """
    # no matrix products here, because autocast or TF32 would round them
    used = (compatibility * counts.unsqueeze(1)).sum(2)
    crowded = counts * (used > tau * cells)
    return 2 * gamma / cells * (compatibility * crowded.unsqueeze(1)).sum(2)


def comixup_objective(z: Tensor,
                      costs: Tensor,
                      *,
                      beta: float = .32,
                      gamma: float = 1.) -> Tensor:
    r"""Objective of the sweeps over the outputs, without threshold and ``A``.

    .. math::
        \sum c \cdot z + \frac{\beta}{2 n^2} \sum_{pq} |z_p - z_q|^2 +
        \frac{\gamma}{n^2} (|\sum_m c_m|^2 - \sum_m |c_m|^2)

    where ``pq`` are the edges of the grids, ``c`` the costs and ``c_m`` the
    blocks of each input in output ``m``.

    Args:
        z (Tensor): Assignment, ``(P, M, n, n, K)``, floating point.
        costs (Tensor): Cost of each input in each block, ``(P, K, n, n)``,
            floating point.
        beta (float): Weight of the edges. Defaults to .32.
        gamma (float): Weight of diversity. Defaults to 1.

    Returns:
        Tensor: ``(P, )``, in the dtype of the arguments.
    """
    cells = costs.shape[-1]**2
    unary = (z * costs.permute(0, 2, 3, 1).unsqueeze(1)).sum(dim=(1, 2, 3, 4))
    down = (z[:, :, 1:] - z[:, :, :-1]).square().sum(dim=(1, 2, 3, 4))
    right = (z[:, :, :, 1:] - z[:, :, :, :-1]).square().sum(dim=(1, 2, 3, 4))
    counts = z.sum(dim=(2, 3))
    shared = counts.sum(1).square().sum(1) - counts.square().sum(dim=(1, 2))
    return (unary + beta / (2 * cells) * (down + right) +
            gamma / cells * shared)


def comixup_mix(images: Tensor, labels: Tensor,
                z: Tensor) -> tuple[Tensor, Tensor]:
    """Mix images block by block, and labels by their numbers of blocks.

    Args:
        images (Tensor): ``(P, K, C, S, S)``, floating point, any scale.
        labels (Tensor): One-hot, multi-hot or soft, ``(P, K, classes)``,
            floating point.
        z (Tensor): Assignment, ``(P, M, n, n, K)``, floating point.

    Returns:
        tuple[Tensor, Tensor]: Images ``(P, M, C, S, S)``, like ``images``,
        and labels ``(P, M, classes)``, like ``labels``, which sum to 1, or
        to 0 if all labels of their inputs are 0.

    Raises:
        ValueError: If shapes do not match, images cannot be divided into
            blocks, or images or labels are not floating point.
    """
    _check_mix(images, labels, z)
    blocks = z.shape[2]
    size = images.shape[-1] // blocks
    # (P, K, C, n, size, n, size)
    cells = images.unflatten(-1, (blocks, size)).unflatten(-3, (blocks, size))
    weights = z.to(images.dtype)[:, :, None, :, None, :, None]
    mixed = weights[..., 0] * cells[:, None, 0]
    # no matrix product, as in comixup_penalty: unmixed pixels stay exact
    for k in range(1, z.shape[-1]):
        mixed = torch.addcmul(mixed, weights[..., k], cells[:, None, k])
    counts = z.to(labels.dtype).sum(dim=(2, 3)).unsqueeze(-1)
    mixed_labels = (counts * labels.unsqueeze(1)).sum(2)
    total = mixed_labels.sum(-1, keepdim=True)
    return (mixed.flatten(-4, -3).flatten(-2),
            mixed_labels / total.where(total != 0, 1))


def _check_mix(images: Tensor, labels: Tensor, z: Tensor) -> None:
    if not (images.is_floating_point() and labels.is_floating_point()):
        raise ValueError(
            'Expected images and labels of floating point, but got '
            f'{images.dtype} and {labels.dtype}. Make class indices one-hot '
            'first.')
    parts, inputs = images.shape[:2]
    height, width = images.shape[-2:]
    if (images.ndim, labels.ndim, z.ndim) != (5, 3, 5) or not (
            labels.shape[:2] == images.shape[:2] ==
            (z.shape[0], z.shape[4])) or z.shape[2] != z.shape[3]:
        raise ValueError(
            'Expected images (P, K, C, S, S), labels (P, K, classes) and z '
            f'(P, M, n, n, K), but got {(*images.shape, )}, '
            f'{(*labels.shape, )} and {(*z.shape, )}.')
    if height != width or height % z.shape[2]:
        raise ValueError(
            'Expected square images whose side can be divided into '
            f'{z.shape[2]} blocks, but got {height} x {width}.')
