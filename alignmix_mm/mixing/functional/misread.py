"""The saliency that OpenCV computes from images that are not 8-bit pixels.

The official code of SaliencyMix passes normalized float32 images to a function
that reads them as 8-bit pixels without a check. It compares the bytes of the
first quarter of every row with means of the true numbers, which are small. So
the peaks are bytes of 255. Most bytes are noise, so there are many such bytes,
and the first one is near the top edge.
"""
import torch
from torch import Tensor

from .saliency import combine, neighbours, windows


def misread_saliency(images: Tensor) -> Tensor:
    """Fine-grained saliency of the bytes of normalized images.

    It equals OpenCV's result for float32 images on little-endian machines if
    sums are rounded in the same way, as they are on ordinary images.

    Args:
        images (Tensor): Normalized images, ``(B, 3, H, W)``, floating point.
            The first channel gets the weight of blue and the last that of
            red, as in the official code, where red comes first.

    Returns:
        Tensor: From 0 to 1 in steps of 1/255, ``(B, H, W)``, float32.

    Raises:
        ValueError: If images have a different shape or only one pixel.
    """
    if images.ndim != 4 or images.shape[1] != 3 or images[0, 0].numel() < 2:
        raise ValueError('Expected images (B, 3, H, W) of at least 2 pixels, '
                         f'but got {tuple(images.shape)}.')
    gray = _blur(_blur(_to_gray(images)))
    width = gray.shape[-1]
    seen = gray.contiguous().view(torch.uint8)[..., :width].float()
    on, off = torch.zeros_like(seen).int(), torch.zeros_like(seen).int()
    for times, window, others in windows(gray, torch.float64):
        difference = seen - (window.float() - seen) / others
        for total, side in ((on, difference), (off, -difference)):
            # a byte of 255 may exceed a negative mean by 256, which wraps
            total.add_(side.clamp(min=0).int() & 255, alpha=times)
    return combine(on, off)


def _to_gray(images: Tensor) -> Tensor:
    """Luma in float32, added in the order and precision of OpenCV."""
    first, green, last = images.float().unbind(1)
    gray = green * .587
    for channel, weight in ((first, .114), (last, .299)):
        # a fused multiply-add rounds once
        weight = torch.tensor(weight, dtype=torch.float32)
        gray = (channel.double() * weight.double() + gray).float()
    return gray


def _blur(gray: Tensor) -> Tensor:
    """Blur with [1 2 1] / 4 in both directions, ``(B, H, W)``."""
    for dim in (-1, -2):
        before, after = neighbours(gray, dim)
        gray = (before + after) / 4 + gray / 2
    return gray
