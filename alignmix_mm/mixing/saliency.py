"""Saliency of images from the gradient of the loss."""
from torch import Tensor


def saliency_of(gradient: Tensor) -> Tensor:
    """Root mean square over the channels, as in PuzzleMix and Co-Mixup.

    Args:
        gradient (Tensor): Of the loss, ``(B, C, H, W)``.

    Returns:
        Tensor: ``(B, H, W)``, not negative.
    """
    return gradient.square().mean(1).sqrt()
