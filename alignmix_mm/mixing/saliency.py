"""Saliency of images from the gradient of the loss."""
from torch import Tensor


def saliency_of(gradient: Tensor) -> Tensor:
    """Root mean square over the channels, as in PuzzleMix and Co-Mixup.

    Args:
        gradient (Tensor): Gradient of the loss with respect to the images,
            ``(B, C, H, W)``, floating point.

    Returns:
        Tensor: ``(B, H, W)``, not negative, in the same dtype.
    """
    return gradient.square().mean(1).sqrt()
