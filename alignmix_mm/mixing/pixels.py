"""From normalized images to pixels and back."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PixelScale:
    """The normalization of images.

    Args:
        mean (Sequence[float], optional): Mean of each channel, in units of
            the pixels (0 to 255). Defaults to None: not known yet.
        std (Sequence[float], optional): Standard deviation, likewise.

    Raises:
        ValueError: If only one of the two is given.
    """

    def __init__(self, mean: Sequence[float] | None = None,
                 std: Sequence[float] | None = None) -> None:
        if (mean is None) != (std is None):
            raise ValueError('Expected both `mean` and `std`, or neither, '
                             f'but got {mean} and {std}.')
        if std is not None and min(std) <= 0:
            raise ValueError(f'Expected `std` to be > 0, but got {std}.')
        self.mean = None if mean is None else tuple(map(float, mean))
        self.std = None if std is None else tuple(map(float, std))

    def or_of(self, preprocessor: nn.Module) -> PixelScale:
        """This scale if it is known, else that of a data preprocessor.

        Args:
            preprocessor (nn.Module): A ``ClsDataPreprocessor``.

        Returns:
            PixelScale: That of images from 0 to 255 if the preprocessor does
            not normalize.
        """
        if self.mean is not None:
            return self
        if not getattr(preprocessor, '_enable_normalize', False):
            return PixelScale([0.], [1.])
        return PixelScale(preprocessor.mean.flatten().tolist(),
                          preprocessor.std.flatten().tolist())

    def to_unit(self, images: Tensor) -> Tensor:
        """Normalized images as pixels in [0, 1].

        Args:
            images (Tensor): ``(B, C, H, W)``, floating point.

        Returns:
            Tensor: ``(B, C, H, W)``, in the same dtype, clamped to [0, 1]
            against rounding.

        Raises:
            ValueError: If the normalization is not known.
        """
        mean, std = self._constants(images)
        return ((images * std + mean) / 255).clamp(0, 1)

    def from_unit(self, pixels: Tensor) -> Tensor:
        """Normalize pixels in [0, 1].

        Args:
            pixels (Tensor): ``(B, C, H, W)``, floating point.

        Returns:
            Tensor: ``(B, C, H, W)``, in the same dtype.

        Raises:
            ValueError: If the normalization is not known.
        """
        mean, std = self._constants(pixels)
        return (pixels * 255 - mean) / std

    def _constants(self, like: Tensor) -> tuple[Tensor, Tensor]:
        if self.mean is None or self.std is None:
            raise ValueError(
                'Expected `mean` and `std` of the normalization, but got '
                'neither. Only an AlignMixClassifier fills them in by itself.')
        return tuple(torch.tensor(values, dtype=like.dtype,
                                  device=like.device).view(1, -1, 1, 1)
                     for values in (self.mean, self.std))
