"""Class activation maps, of which both models and evaluation know."""
import torch
from torch import Tensor


def class_activation_map(features: Tensor, weight: Tensor,
                         labels: Tensor) -> Tensor:
    r"""Class activation maps (Zhou et al., 2016), raw and small.

    .. math::
        M_c = \sum_k w_{ck} F_k

    Their mean plus the bias is the logit after global average pooling.

    Args:
        features (Tensor): What is pooled, ``(B, C, h, w)``.
        weight (Tensor): Weights of the linear classifier, ``(K, C)``.
        labels (Tensor): Class of each map, ``(B, )``, int64.

    Returns:
        Tensor: ``(B, h, w)``. Negative values are kept.
    """
    return torch.einsum('bchw,bc->bhw', features, weight[labels])
