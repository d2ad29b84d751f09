"""Boxes that are cut from one image and pasted into another.

A box is ``(y1, x1, y2, x2)`` in pixels, int64; row ``y1`` and column ``x1``
are inside, ``y2`` and ``x2`` are not. There is one box for a batch, ``(4, )``,
or one for each sample, ``(B, 4)``.
"""
from collections.abc import Sequence

import torch
from torch import Tensor

from ._batched import PerSample, check_alike


def box_around(size: tuple[int, int], share: PerSample,
               center: Sequence[int] | Tensor) -> Tensor:
    """Box of a given share of the image, clipped at its borders.

    It extends ``int(side * sqrt(share)) // 2`` pixels from the center in each
    direction, as in CutMix.

    Args:
        size (tuple[int, int]): Height and width of the image in pixels.
        share (float | Tensor): Area of the unclipped box divided by that of
            the image, in [0, 1]; one number or ``(B, )``.
        center (Sequence[int] | Tensor): Row and column, ``(2, )`` or
            ``(B, 2)``.

    Returns:
        Tensor: The box, ``(4, )``, or ``(B, 4)`` if share or center are
        given for each sample; int64, on the device of the center.

    Raises:
        ValueError: If shapes do not match, or a float ``share`` is outside
            [0, 1].
    """
    if not isinstance(share, Tensor) and not 0 <= share <= 1:
        raise ValueError(f'Expected `share` from 0 to 1, but got {share}.')
    center = torch.as_tensor(center).to(torch.int64)
    share = torch.as_tensor(share, dtype=torch.float64, device=center.device)
    if center.shape[-1:] != (2, ) or center.ndim > 2 or share.ndim > 1:
        raise ValueError(
            'Expected `center` of shape (2, ) or (B, 2) and `share` of shape '
            f'() or (B, ), but got {tuple(center.shape)} and '
            f'{tuple(share.shape)}.')
    sides = torch.tensor(size, device=center.device)
    half = (sides * share.sqrt()[..., None]).to(torch.int64) // 2
    corners = torch.stack(torch.broadcast_tensors(center - half,
                                                  center + half), -2)
    return corners.clamp(min=torch.zeros_like(sides), max=sides).flatten(-2)


def saliency_box(saliency: Tensor, lam: PerSample) -> Tensor:
    """Box around the most salient pixel, the first one in row-major order.

    SaliencyMix (Uddin et al., 2021): the box has the share 1 - lambda.

    Args:
        saliency (Tensor): Map, ``(H, W)`` or ``(B, H, W)``, any real dtype.
        lam (float | Tensor): Weight of the image that the box is pasted
            into, or one for each sample, ``(B, )``.

    Returns:
        Tensor: The box, ``(4, )`` or ``(B, 4)``, int64.

    Raises:
        ValueError: If shapes do not match, or lambda is a number outside
            [0, 1].
    """
    if not isinstance(lam, Tensor) and not 0 <= lam <= 1:
        raise ValueError(f'Expected `lam` in [0, 1], but got {lam}.')
    if saliency.ndim not in (2, 3):
        raise ValueError('Expected saliency (H, W) or (B, H, W), but got '
                         f'{tuple(saliency.shape)}.')
    place = saliency.flatten(-2).argmax(-1)  # the first of equal ones
    width = saliency.shape[-1]
    center = torch.stack([place // width, place % width], -1)
    lam = torch.as_tensor(lam, dtype=torch.float64)
    return box_around(saliency.shape[-2:], 1 - lam, center)


def box_share(box: Tensor, size: tuple[int, int]) -> Tensor:
    """Area of a box divided by that of the image.

    Args:
        box (Tensor): ``(4, )`` or ``(B, 4)``, int64, in pixels.
        size (tuple[int, int]): Height and width of the image in pixels.

    Returns:
        Tensor: ``()`` or ``(B, )``, float64.
    """
    sides = box[..., 2:] - box[..., :2]
    return sides.prod(-1).double() / (size[0] * size[1])


def paste_box(images: Tensor, partner: Tensor, box: Tensor) -> Tensor:
    """Replace the pixels inside a box by the partner's.

    Args:
        images (Tensor): Images, ``(B, C, H, W)``, any dtype.
        partner (Tensor): Their partners, likewise.
        box (Tensor): ``(4, )`` or ``(B, 4)``, int64, in pixels.

    Returns:
        Tensor: New images, ``(B, C, H, W)``, in the same dtype.

    Raises:
        ValueError: If shapes do not match.
    """
    check_alike(images=images, partner=partner)
    return torch.where(inside(box, images), partner, images)


def inside(box: Tensor, images: Tensor) -> Tensor:
    """Mask of the pixels inside a box.

    Args:
        box (Tensor): ``(4, )`` or ``(B, 4)``, int64, in pixels.
        images (Tensor): Images, ``(B, C, H, W)``, any dtype.

    Returns:
        Tensor: ``(1, 1, H, W)`` or ``(B, 1, H, W)``, bool.

    Raises:
        ValueError: If there is neither one box nor one for each image.
    """
    if box.shape not in ((4, ), (len(images), 4)):
        raise ValueError(f'Expected a box (4, ) or ({len(images)}, 4), but '
                         f'got {tuple(box.shape)}.')
    y1, x1, y2, x2 = box.to(images.device).reshape(-1, 4, 1, 1).unbind(1)
    y, x = (torch.arange(n, device=images.device) for n in images.shape[-2:])
    mask = ((y1 <= y[:, None]) & (y[:, None] < y2)) & ((x1 <= x) & (x < x2))
    return mask[:, None]
