"""Statistics of feature channels, and features that are given others.

Huang and Belongie, *Arbitrary Style Transfer in Real-time with Adaptive
Instance Normalization* (2017).
"""
import torch
from torch import Tensor

Moments = tuple[Tensor, Tensor]


def adain(content: Tensor, style: Tensor, eps: float = 1e-5) -> Tensor:
    r"""Give features the channel statistics of others.

    .. math::
        \sigma_s \frac{c - \mu_c}{\sigma_c} + \mu_s, \qquad
        \sigma = \sqrt{var + \epsilon}

    with unbiased variances over the positions of each channel.

    Args:
        content (Tensor): Features, ``(B, C, H, W)``.
        style (Tensor): Features whose statistics are taken,
            ``(B, C, H', W')``.
        eps (float): Added to variances. Defaults to 1e-5.

    Returns:
        Tensor: ``(B, C, H, W)``.

    Raises:
        ValueError: If shapes do not fit, or a map has a single position,
            which has no variance.
    """
    return restyle(content, moments(content, eps), moments(style, eps))


def moments(features: Tensor, eps: float = 1e-5) -> Moments:
    """Mean and standard deviation of each channel.

    Args:
        features (Tensor): ``(B, C, H, W)``.
        eps (float): Added to the unbiased variance. Defaults to 1e-5.

    Returns:
        tuple[Tensor, Tensor]: ``(B, C, 1, 1)`` each, of the dtype of the
        features; float32 of half precision, in which squares overflow.

    Raises:
        ValueError: If there is a single position.
    """
    if features.ndim != 4 or features.shape[2] * features.shape[3] < 2:
        raise ValueError(
            'Expected features (B, C, H, W) of at least two positions, which '
            f'a variance needs, but got {tuple(features.shape)}.')
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    variance, mean = torch.var_mean(features, (2, 3), keepdim=True)
    return mean, (variance + eps).sqrt()


def restyle(features: Tensor, own: Moments, other: Moments) -> Tensor:
    """Replace the mean and deviation of each channel by others.

    Args:
        features (Tensor): ``(B, C, H, W)``.
        own (tuple[Tensor, Tensor]): Their moments, ``(B, C, 1, 1)`` each.
        other (tuple[Tensor, Tensor]): New moments, likewise.

    Returns:
        Tensor: ``(B, C, H, W)``, in the dtype of the features.

    Raises:
        ValueError: If there are not as many samples and channels of both.
    """
    (mean, std), (new_mean, new_std) = own, other
    if mean.shape != new_mean.shape:
        raise ValueError(
            'Expected as many samples and channels of content and style, but '
            f'got {tuple(mean.shape[:2])} and {tuple(new_mean.shape[:2])}.')
    restyled = (features - mean) / std * new_std + new_mean
    return restyled.to(features.dtype)
