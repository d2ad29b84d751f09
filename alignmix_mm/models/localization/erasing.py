"""Erasing attended positions: pure functions of ADL and ACoL."""
import torch
from torch import Tensor


def attention_dropout(features: Tensor, drop: bool,
                      threshold: float) -> Tensor:
    r"""Drop or emphasize attended positions (Choe and Shim, 2019, ADL).

    Attention is the mean of the channels, :math:`a = \frac{1}{C} \sum_c F_c`.
    All channels are multiplied either by the drop mask or by the importance
    map:

    .. math::
        1[a < t \max a] \quad \text{or} \quad \sigma(a)

    The maximum is that of each sample. Gradients also flow through the
    importance map, because attention is not detached.

    Args:
        features (Tensor): Feature maps, ``(B, C, h, w)``, any floating
            dtype.
        drop (bool): Whether to use the drop mask.
        threshold (float): Share t of the maximum, in [0, 1]. Positions with
            at least this attention are dropped.

    Returns:
        Tensor: ``(B, C, h, w)``, in the dtype of ``features``.

    Raises:
        ValueError: If ``features`` are not maps.
    """
    _check_maps(features)
    attention = features.mean(1, keepdim=True)
    if not drop:
        return features * attention.sigmoid()
    peak = attention.amax((1, 2, 3), keepdim=True)
    return features * (attention < threshold * peak).to(features.dtype)


def normalize_maps(maps: Tensor) -> Tensor:
    r"""Bring every map into [0, 1], :math:`(m - \min) / (\max - \min)`.

    Args:
        maps (Tensor): ``(..., h, w)``, any floating dtype.

    Returns:
        Tensor: ``(..., h, w)``, in the dtype of ``maps``. A constant map
        gives zeros.

    Raises:
        ValueError: If there are fewer than two dimensions.
    """
    if maps.ndim < 2:
        raise ValueError(
            f'Expected maps (..., h, w), but got {tuple(maps.shape)}.')
    low, high = (function((-2, -1), keepdim=True)
                 for function in (maps.amin, maps.amax))
    span = high - low
    return (maps - low) / torch.where(span == 0, 1, span)


def erase_attended(features: Tensor, attention: Tensor,
                   threshold: float) -> Tensor:
    """Set features to zero where attention reaches a threshold (ACoL).

    Zhang et al., *Adversarial complementary learning for weakly supervised
    object localization* (2018).

    Args:
        features (Tensor): Feature maps, ``(B, C, h, w)``, floating point.
        attention (Tensor): A map for each sample, ``(B, h, w)`` or
            ``(B, 1, h, w)``, floating point, e.g. from
            :func:`normalize_maps`. No gradient flows into it.
        threshold (float): Features with at least this attention are erased.

    Returns:
        Tensor: ``(B, C, h, w)``, in the dtype of ``features``.

    Raises:
        ValueError: If shapes do not match.
    """
    _check_maps(features)
    batch, _, *size = features.shape
    if attention.shape not in ((batch, *size), (batch, 1, *size)):
        raise ValueError(
            f'Expected attention {(batch, *size)} for features '
            f'{tuple(features.shape)}, but got {tuple(attention.shape)}.')
    kept = ~(attention >= threshold)  # NaN is kept
    return features * kept.view(batch, 1, *size).to(features.dtype)


def _check_maps(features: Tensor) -> None:
    if features.ndim != 4:
        raise ValueError('Expected feature maps (B, C, h, w), but got '
                         f'{tuple(features.shape)}.')
