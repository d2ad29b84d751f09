"""Channel statistics of features, and how to replace them.

Huang and Belongie, *Arbitrary Style Transfer in Real-time with Adaptive
Instance Normalization* (2017).
"""
import torch
from torch import Tensor

Moments = tuple[Tensor, Tensor]


def adain(content: Tensor, style: Tensor, eps: float = 1e-5) -> Tensor:
    r"""Give features the channel statistics of other features.

    .. math::
        \sigma_s \frac{c - \mu_c}{\sigma_c} + \mu_s, \qquad
        \sigma = \sqrt{var + \epsilon}

    for content :math:`c` and style :math:`s`, with the means and unbiased
    variances over the positions of each channel.

    Args:
        content (Tensor): Features, ``(B, C, H, W)``, floating point.
        style (Tensor): Features that give the statistics,
            ``(B, C, H', W')``, floating point.
        eps (float): Added to variances. Defaults to 1e-5.

    Returns:
        Tensor: ``(B, C, H, W)``, in the dtype of the content.

    Raises:
        ValueError: If shapes do not match, or a map has only one position,
            which has no variance.
    """
    return restyle(content, moments(content, eps), moments(style, eps))


def moments(features: Tensor, eps: float = 1e-5) -> Moments:
    """Mean and standard deviation of each channel.

    Args:
        features (Tensor): ``(B, C, H, W)``, floating point.
        eps (float): Added to the unbiased variance. Defaults to 1e-5.

    Returns:
        tuple[Tensor, Tensor]: ``(B, C, 1, 1)`` each, in the dtype of the
        features, or float32 for half precision, where squares overflow.

    Raises:
        ValueError: If there is only one position, or the shape is wrong.
    """
    if features.ndim != 4 or features.shape[2] * features.shape[3] < 2:
        raise ValueError(
            'Expected features (B, C, H, W) of at least two positions, which '
            f'a variance needs, but got {tuple(features.shape)}.')
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    variance, mean = torch.var_mean(features, (2, 3), keepdim=True)
    return mean, (variance + eps).sqrt()


def restyle(features: Tensor, own: Moments, other: Moments) -> Tensor:
    """Replace the mean and standard deviation of each channel.

    Args:
        features (Tensor): ``(B, C, H, W)``, floating point.
        own (tuple[Tensor, Tensor]): Their moments, ``(B, C, 1, 1)`` each.
        other (tuple[Tensor, Tensor]): New moments, likewise.

    Returns:
        Tensor: ``(B, C, H, W)``, in the dtype of the features.

    Raises:
        ValueError: If the numbers of samples or channels differ.
    """
    (mean, std), (new_mean, new_std) = own, other
    if mean.shape != new_mean.shape:
        raise ValueError(
            'Expected content and style with the same samples and channels, '
            f'but got {tuple(mean.shape[:2])} and '
            f'{tuple(new_mean.shape[:2])}.')
    restyled = (features - mean) / std * new_std + new_mean
    return restyled.to(features.dtype)
