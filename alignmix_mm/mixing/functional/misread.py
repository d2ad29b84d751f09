"""What OpenCV makes of images that are not 8-bit pixels.

The official code of SaliencyMix hands normalized images, float32, to a
function that reads 8-bit pixels without asking. It compares the bytes of the
first quarter of every row with means of the true numbers, which are small.
So what it finds are bytes of 255. Most bytes are noise, so there are many of
these, and the first one is near the top edge.
"""
import torch
from torch import Tensor

from .saliency import combine, neighbours, windows


def misread_saliency(images: Tensor) -> Tensor:
    """Fine-grained saliency of the bytes of normalized images.

    Equals OpenCV's answer for float32 images on little-endian machines, if
    its sums round alike: on ordinary images they do.

    Args:
        images (Tensor): Normalized images, ``(B, 3, H, W)``, floating point.
            The weights of blue and red are those of the first and the last
            channel, as in the official code, whose channels are red to blue.

    Returns:
        Tensor: From 0 to 1 in steps of 1/255, ``(B, H, W)``, float32.

    Raises:
        ValueError: If images are not of this shape, or have one pixel.
    """
    if images.ndim != 4 or images.shape[1] != 3 or images[0, 0].numel() < 2:
        raise ValueError('Expected images (B, 3, H, W) of two pixels or more, '
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
