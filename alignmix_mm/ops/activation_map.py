"""Class activation maps, used by both models and evaluation."""
import torch
from torch import Tensor


def class_activation_map(features: Tensor, weight: Tensor,
                         labels: Tensor) -> Tensor:
    r"""Class activation maps (Zhou et al., 2016), not normalized or resized.

    .. math::
        M_c = \sum_k w_{ck} F_k

    for class :math:`c` and channels :math:`k`. The mean of a map plus the
    bias of the class is its logit after global average pooling.

    Args:
        features (Tensor): Feature maps before the pooling, ``(B, C, h, w)``,
            floating point.
        weight (Tensor): Weights of the linear classifier, ``(K, C)``, in the
            same dtype.
        labels (Tensor): Class of each map, ``(B, )``, int64.

    Returns:
        Tensor: ``(B, h, w)``, in the same dtype. Negative values are kept.
    """
    return torch.einsum('bchw,bc->bhw', features, weight[labels])
