"""Where an image differs from its surroundings.

The fine-grained saliency of Montabone and Soto, *Human detection using a
mobile platform and novel features derived from a visual saliency mechanism*
(2010), as OpenCV computes it, to the last bit.
"""
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

#: A window reaches R - 1 pixels up and left, and R pixels down and right.
RADII = (12, 24, 28, 48, 56, 112)
# red, green, blue; of 2^15
GRAY_WEIGHTS = {'rgb': (9798, 19235, 3735), 'bgr': (3735, 19235, 9798)}


def denormalize(images: Tensor, mean: Sequence[float] | Tensor,
                std: Sequence[float] | Tensor) -> Tensor:
    """Turn normalized images back into 8-bit pixels.

    Args:
        images (Tensor): ``(pixels - mean) / std``, ``(..., C, H, W)``,
            floating point.
        mean (Sequence[float] | Tensor): Mean of each channel, in units of
            the pixels (0 to 255), ``(C, )``, or one number for all channels.
        std (Sequence[float] | Tensor): Standard deviation, likewise.

    Returns:
        Tensor: Pixels, rounded and clamped, ``(..., C, H, W)``, uint8.

    Raises:
        ValueError: If there is neither one number nor one per channel.
    """
    dtype = torch.promote_types(images.dtype, torch.float32)
    mean, std = (torch.as_tensor(values, dtype=dtype, device=images.device)
                 .reshape(-1, 1, 1) for values in (mean, std))
    for name, values in (('mean', mean), ('std', std)):
        if len(values) not in (1, images.shape[-3]):
            raise ValueError(
                f'Expected `{name}` to have a number for each of the '
                f'{images.shape[-3]} channels, but got {len(values)}.')
    pixels = images.to(dtype) * std + mean
    return pixels.round().clamp(0, 255).to(torch.uint8)


def fine_grained_saliency(images: Tensor,
                          channel_order: str = 'rgb') -> Tensor:
    """Difference between every pixel and the mean of windows around it.

    Gray values are blurred twice. For each of six windows, the difference
    from the mean of all other pixels in the window is truncated to an
    integer and counts as "on" (the pixel is brighter) or "off" (it is
    darker). Sums over the windows are scaled to 255, on and off are added,
    and the sum is scaled again. All results are exact integers, so they are
    the same on every device and equal OpenCV's ``StaticSaliencyFineGrained``.

    Args:
        images (Tensor): Pixels, ``(B, 3, H, W)`` or gray ``(B, 1, H, W)``,
            uint8.
        channel_order (str): ``'rgb'`` or ``'bgr'``. Defaults to ``'rgb'``.

    Returns:
        Tensor: Saliency from 0 to 1 in steps of 1/255, ``(B, H, W)``,
        float32; 0 for a constant image.

    Raises:
        TypeError: If the images are not uint8.
        ValueError: If their shape or the channel order is invalid.
    """
    _check(images, channel_order)
    if images.shape[-2:] == (1, 1):  # nothing to divide by
        return images.new_zeros(len(images), 1, 1, dtype=torch.float32)
    gray = _blur(_blur(_to_gray(images, channel_order)))
    return combine(*_on_off(gray))


def combine(on: Tensor, off: Tensor) -> Tensor:
    """Scale the sums over the windows, and add them.

    Args:
        on (Tensor): How much brighter pixels are, ``(B, H, W)``, int32.
        off (Tensor): How much darker they are, likewise.

    Returns:
        Tensor: From 0 to 1 in steps of 1/255, ``(B, H, W)``, float32.
    """
    # The sum is scaled again, by the larger of the two peaks, which is now
    # 255. Where windows disagree, a pixel is both on and off, and the sum may
    # exceed 255. No photograph is known to do so, and OpenCV's result is then
    # undefined.
    levels = (_scale(on) + _scale(off)).clamp_(max=255)
    return levels.float() * torch.tensor(1 / 255, dtype=torch.float32)


def _to_gray(images: Tensor, channel_order: str) -> Tensor:
    """Luma of ``(B, C, H, W)`` uint8: ``(B, H, W)`` int32."""
    if images.shape[1] == 1:
        return images[:, 0].int()
    total = torch.full_like(images[:, 0], 2**14, dtype=torch.int32)
    for channel, weight in zip(images.unbind(1), GRAY_WEIGHTS[channel_order]):
        total.add_(channel, alpha=weight)
    return total >> 15


def _blur(gray: Tensor) -> Tensor:
    """Blur with [1 2 1] / 4 in both directions, rounded, ``(B, H, W)``."""
    for dim in (-1, -2):
        before, after = neighbours(gray, dim)
        gray = torch.add(before, gray, alpha=2).add_(after)
    return (gray + 8) >> 4


def neighbours(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Values before and after each position, with mirrored borders.

    Args:
        x (Tensor): ``(B, H, W)``, any dtype.
        dim (int): Direction, -1 or -2.

    Returns:
        tuple[Tensor, Tensor]: Two tensors like ``x``.
    """
    size = x.shape[dim]
    first, last = min(1, size - 1), max(size - 2, 0)
    padded = torch.cat([x.narrow(dim, first, 1), x, x.narrow(dim, last, 1)],
                       dim)
    return padded.narrow(dim, 0, size), padded.narrow(dim, 2, size)


def _on_off(gray: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of both differences over the windows.

    Args:
        gray (Tensor): ``(B, H, W)``, int32, 0 to 255.

    Returns:
        tuple[Tensor, Tensor]: On and off, ``(B, H, W)``, int32.
    """
    fits = 255 * gray[0].numel() < 2**31
    sums = windows(gray, torch.int32 if fits else torch.int64)
    pixels = gray.float()
    on, total = torch.zeros_like(gray), torch.zeros_like(gray)
    for times, window, others in sums:
        # Exact: a window's sum is below 2^24, and it has too few pixels for
        # the mean to be closer to an integer than float32 resolves.
        # g - (window - g) / others
        difference = torch.addcdiv(pixels, pixels - window, others).int()
        total.add_(difference, alpha=times)
        on.add_(difference.clamp_(min=0), alpha=times)
    return on, on - total


def windows(values: Tensor,
            dtype: torch.dtype) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Sum values over the windows around every pixel.

    Args:
        values (Tensor): ``(B, H, W)``, any real dtype.
        dtype (torch.dtype): dtype of the sums, for a whole image.

    Yields:
        tuple[int, Tensor, Tensor]: How many of the six windows are equal to
        this one; its sums, ``(B, H, W)``; and how many other pixels it has,
        ``(H, W)``, float32.
    """
    height, width = values.shape[-2:]
    integral = F.pad(values, (1, 0, 1, 0)).cumsum(-1, dtype=dtype).cumsum(
        -2, dtype=dtype)
    # the number of rows and columns before each position
    rows, columns = (torch.arange(size + 1, device=values.device)
                     for size in (height, width))
    # all windows that cover the whole image are equal
    radii = [min(radius, max(height, width)) for radius in RADII]
    for radius in sorted(set(radii)):
        count = (_window(rows, radius, 0)[:, None]
                 * _window(columns, radius, 0))
        yield (radii.count(radius),
               _window(_window(integral, radius, -2), radius, -1),
               (count - 1).float())


def _window(before: Tensor, radius: int, dim: int) -> Tensor:
    """Sums over [x - R + 1, x + R], clipped, from the sums before each x.

    Args:
        before (Tensor): Sums of the first 0 to n values along ``dim``.
        radius (int): R.
        dim (int): The dimension in which n + 1 sums become n.

    Returns:
        Tensor: Sums of the windows.
    """
    size = before.shape[dim] - 1
    radius = min(radius, size)
    inside = size - radius  # windows that end, or start, inside
    shape = list(before.shape)
    shape[dim] = radius
    window = torch.cat([before.narrow(dim, radius + 1, inside),
                        before.narrow(dim, size, 1).expand(shape)], dim)
    window.narrow(dim, radius, inside).sub_(before.narrow(dim, 1, inside))
    return window


def _scale(x: Tensor) -> Tensor:
    """Scale each image's maximum to 255, and truncate to integers."""
    peak = x.amax((-2, -1), keepdim=True).clamp(min=1)
    # exact: a quotient that is not an integer is 1/1530 or more from the next
    return (255 * x / peak).int()


def _check(images: Tensor, channel_order: str) -> None:
    if images.dtype != torch.uint8:
        raise TypeError(
            f'Expected pixels as uint8, but got {images.dtype}. `denormalize` '
            'turns normalized images back into pixels.')
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise ValueError('Expected images (B, 1 or 3, H, W), but got '
                         f'{tuple(images.shape)}.')
    if channel_order not in GRAY_WEIGHTS:
        raise ValueError(f'Expected `channel_order` to be one of '
                         f'{list(GRAY_WEIGHTS)}, but got {channel_order!r}.')
