"""Co-Mixup: what an assignment of inputs to outputs costs, and its mixture.

Kim et al., "Co-Mixup: Saliency guided joint mixup with supermodular
diversity" (2021). ``P`` parts of ``K`` images are mixed to ``M`` outputs
each. An assignment says which inputs each of the ``n x n`` blocks of every
output consists of: one, or two by half.
"""
import torch
import torch.nn.functional as F
from torch import Tensor

from ._blocks import block_shares

FLOOR = 1e-8  # a share of 0 stays finite


def comixup_compatibility(saliency: Tensor,
                          omega: float = .001,
                          window: int = 8) -> Tensor:
    r"""Which inputs to keep apart: those whose peaks are far from each other.

    .. math::
        A = (1 - \omega) I + \omega K D / \sum_{kl} D_{kl}

    ``D`` is the L1 distance, in pixels, between the most salient windows of
    two inputs. The second term is 0 if all of them are at one place.

    Args:
        saliency (Tensor): Not negative, ``(P, K, S, S)``, floating point.
        omega (float): Weight of the distances. Defaults to .001.
        window (int): Side of the windows in pixels; they lie at each pixel.
            Of equal ones the first, row by row, counts. Defaults to 8.

    Returns:
        Tensor: ``(P, K, K)``, like ``saliency``.

    Raises:
        ValueError: If the maps are not square, or smaller than the window.
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
    distance = distance.abs().sum(-1).to(saliency.dtype)
    total = distance.sum(dim=(1, 2), keepdim=True)
    inputs = saliency.shape[1]
    same = torch.eye(inputs, dtype=saliency.dtype, device=saliency.device)
    # all distances are 0 where their sum is: any divisor will do
    return ((1 - omega) * same +
            omega * inputs * distance / total.where(total > 0, 1))


def comixup_costs(saliency: Tensor,
                  prior: Tensor,
                  blocks: int = 4,
                  eta: float = .05) -> Tensor:
    r"""Cost of giving a block to an input: its saliency and the prior.

    .. math::
        c_k = -share_k - \frac{\eta}{n^2} \log(prior_k + 10^{-8})

    Args:
        saliency (Tensor): Not negative, ``(P, K, S, S)``, floating point. A
            share is the mean of a block by the sum of these; it is
            ``1 / n**2`` everywhere if there is no saliency.
        prior (Tensor): Share of each input, drawn from a Dirichlet
            distribution, ``(P, K)``.
        blocks (int): Blocks ``n`` along each side. Defaults to 4.
        eta (float): Weight of the prior. Defaults to .05.

    Returns:
        Tensor: ``(P, K, n, n)``, like ``saliency``.

    Raises:
        ValueError: If the maps are not square or cannot be divided into
            blocks, or the prior has another shape.
    """
    if prior.shape != saliency.shape[:2]:
        raise ValueError(
            'Expected saliency (P, K, S, S) and a prior (P, K), but got '
            f'{(*saliency.shape, )} and {(*prior.shape, )}.')
    preference = eta / blocks**2 * (prior + FLOOR).log()
    return (-block_shares(saliency, blocks) -
            preference.to(saliency.dtype)[:, :, None, None])


def comixup_penalty(counts: Tensor,
                    compatibility: Tensor,
                    cells: int,
                    *,
                    gamma: float = 1.,
                    tau: float = .83) -> Tensor:
    r"""Cost, per block, of inputs that other outputs have much of already.

    .. math::
        \frac{2 \gamma}{cells} A (counts \odot 1[A \, counts > \tau \, cells])

    Args:
        counts (Tensor): Blocks of each input in all other outputs,
            ``(P, K)``, floating point.
        compatibility (Tensor): ``A``, ``(P, K, K)``.
        cells (int): Blocks of an output, ``n**2``.
        gamma (float): Weight of diversity. Defaults to 1.
        tau (float): Share of an output up to which an input costs nothing.
            Defaults to .83.

    Returns:
        Tensor: ``(P, K)``, like ``counts``.
    """
    # no matrix products here: autocast or TF32 would round them
    used = (compatibility * counts.unsqueeze(1)).sum(2)
    crowded = counts * (used > tau * cells)
    return 2 * gamma / cells * (compatibility * crowded.unsqueeze(1)).sum(2)


def comixup_objective(z: Tensor,
                      costs: Tensor,
                      *,
                      beta: float = .32,
                      gamma: float = 1.) -> Tensor:
    r"""What sweeps over the outputs lower, without threshold and ``A``.

    .. math::
        \sum c \cdot z + \frac{\beta}{2 n^2} \sum_{pq} |z_p - z_q|^2 +
        \frac{\gamma}{n^2} (|\sum_m c_m|^2 - \sum_m |c_m|^2)

    over the edges of the grids, with the counts ``c_m`` of output ``m``.

    Args:
        z (Tensor): Assignment, ``(P, M, n, n, K)``, floating point.
        costs (Tensor): Cost of each input in each block, ``(P, K, n, n)``.
        beta (float): Weight of the edges. Defaults to .32.
        gamma (float): Weight of diversity. Defaults to 1.

    Returns:
        Tensor: ``(P, )``.
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
    """Mix images block by block, and labels as many blocks as they have.

    Args:
        images (Tensor): ``(P, K, C, S, S)``, floating point, any scale.
        labels (Tensor): One-hot, multi-hot or soft, ``(P, K, classes)``,
            floating point.
        z (Tensor): Assignment, ``(P, M, n, n, K)``.

    Returns:
        tuple[Tensor, Tensor]: Images ``(P, M, C, S, S)``, like ``images``,
        and labels ``(P, M, classes)``, like ``labels``, which sum to 1; zero
        if there are only labels of zeros.

    Raises:
        ValueError: If shapes do not fit, images cannot be divided into
            blocks, or anything is not floating point.
    """
    _check_mix(images, labels, z)
    blocks = z.shape[2]
    size = images.shape[-1] // blocks
    # (P, K, C, n, size, n, size)
    cells = images.unflatten(-1, (blocks, size)).unflatten(-3, (blocks, size))
    weights = z.to(images.dtype)[:, :, None, :, None, :, None]
    mixed = weights[..., 0] * cells[:, None, 0]
    # no product of matrices, see above: unmixed pixels stay what they are
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
            f'{images.dtype} and {labels.dtype}. Classes as numbers have to '
            'be made one-hot first.')
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
