"""The loss of Manifold mixup, PuzzleMix and Co-Mixup on CIFAR."""
import torch
import torch.nn.functional as F
from mmpretrain.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class SoftmaxBCELoss(nn.Module):
    r"""Binary cross-entropy of the softmax, mean over samples and classes.

    .. math::
        -\frac{1}{BK} \sum_{bk} y_{bk} \log p_{bk} +
        (1 - y_{bk}) \log (1 - p_{bk})

    for a batch of B samples and K classes. It is about 2 / K times the
    cross-entropy. So the loss of clean images, which methods with
    ``clean_lam`` add, is the cross-entropy times 2 / K, as in the code of
    PuzzleMix and Co-Mixup. Their saliency is computed from it too.

    Args:
        loss_weight (float): Weight of the loss. Defaults to 1.
    """

    def __init__(self, loss_weight: float = 1.) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.clean = ScaledCrossEntropy(2 * loss_weight)

    def forward(self, cls_score: Tensor, label: Tensor,
                **kwargs) -> Tensor:
        """Compute the loss in float32, without autocast.

        Args:
            cls_score (Tensor): Logits, ``(B, K)``, floating point.
            label (Tensor): Classes, ``(B, )``, int64, or soft labels,
                ``(B, K)``.
            **kwargs: Arguments of other losses, not used.

        Returns:
            Tensor: The loss, ``()``, float32. Logarithms are clamped to -100.
        """
        if label.ndim == 1:
            label = F.one_hot(label, cls_score.shape[1])
        # three weights of one class may sum to 1 + 1e-7, which torch refuses
        label = label.float().clamp(max=1)
        with torch.autocast(cls_score.device.type, enabled=False):
            return self.loss_weight * F.binary_cross_entropy(
                cls_score.float().softmax(1), label)


class ScaledCrossEntropy(nn.Module):
    """Weighted cross-entropy divided by the number of classes.

    Args:
        loss_weight (float): Weight of the loss.
    """

    def __init__(self, loss_weight: float) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, cls_score: Tensor, label: Tensor,
                **kwargs) -> Tensor:
        """Compute the loss; arguments as in :class:`SoftmaxBCELoss`."""
        if label.ndim == 2:
            label = label.float()
        loss = F.cross_entropy(cls_score.float(), label)
        return self.loss_weight / cls_score.shape[1] * loss
