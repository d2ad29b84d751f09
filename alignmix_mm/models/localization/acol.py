"""Adversarial complementary learning (ACoL): a head with two branches."""
from collections.abc import Sequence

import torch
from mmpretrain.models.heads import ClsHead
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from .erasing import erase_attended, normalize_maps

XAVIER = dict(type='Xavier', layer='Conv2d', distribution='uniform')


@MODELS.register_module()
class ACoLHead(ClsHead):
    """Two classifiers of a map; one does not see what the other attends to.

    Zhang et al. (2018). Each branch has three convolutions. The last one
    gives a map for each class; the mean of a map is the logit. Branch B gets
    the features without the positions that branch A attends to, so it has to
    find other parts of the object. There is no neck: the head pools itself.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Channels of the backbone's map.
        mid_channels (int): Channels of the two 3x3 convolutions. Defaults to
            1024.
        drop_threshold (float): Positions are erased if their attention,
            normalized to [0, 1], is at least this. The original network uses
            0.6. Defaults to 0.7.
        init_cfg (dict, optional): Initialization. Defaults to None: Xavier,
            uniform, as after the VGG of Choe et al. (2020). After their
            ResNet it is ``dict(type='Kaiming', layer='Conv2d')``.
        **kwargs: ``loss``, ``topk`` and ``cal_acc``, see ``ClsHead``. The loss
            is the sum of the losses of both branches.

    Raises:
        ValueError: If ``drop_threshold`` is not in (0, 1].
    """

    def __init__(self,
                 num_classes: int,
                 in_channels: int,
                 mid_channels: int = 1024,
                 drop_threshold: float = .7,
                 init_cfg: dict | None = None,
                 **kwargs) -> None:
        super().__init__(init_cfg=init_cfg or XAVIER, **kwargs)
        if not 0 < drop_threshold <= 1:
            raise ValueError('Expected `drop_threshold` in (0, 1], but got '
                             f'{drop_threshold!r}.')
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.drop_threshold = drop_threshold
        self.branch_a, self.branch_b = (
            _branch(in_channels, mid_channels, num_classes) for _ in range(2))

    def logits(self,
               feats: Tensor | Sequence[Tensor],
               labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits of both branches.

        Args:
            feats (Tensor | Sequence[Tensor]): Maps ``(B, in_channels, h, w)``,
                floating point; of several, the last is used.
            labels (Tensor, optional): Classes whose attention is erased,
                ``(B, )``, int64, or weights of all classes,
                ``(B, num_classes)``, with which their maps are added up.
                Defaults to None: the class that branch A predicts.

        Returns:
            tuple[Tensor, Tensor]: Logits of A and B, ``(B, num_classes)``.

        Raises:
            ValueError: If the last map is not ``(B, in_channels, h, w)``.
        """
        return tuple(maps.mean((2, 3)) for maps in self._maps(feats, labels))

    def localization_map(self, feats: Tensor | Sequence[Tensor],
                         labels: Tensor) -> Tensor:
        """Where the branches see a class: the maximum of their maps.

        Each map is first normalized to [0, 1]. Branch B gets the features
        without the positions where branch A sees this class.

        Args:
            feats (Tensor | Sequence[Tensor]): Maps ``(B, in_channels, h, w)``,
                floating point; of several, the last is used.
            labels (Tensor): Class of each map, ``(B, )``, int64.

        Returns:
            Tensor: ``(B, h, w)``, in [0, 1], in the dtype of the weights.

        Raises:
            ValueError: If the last map is not ``(B, in_channels, h, w)``.
        """
        # maps of a backbone under autocast, here without autocast
        x = self._input(feats).to(self.branch_a[0].weight.dtype)
        a, b = (normalize_maps(_of_classes(maps, labels))
                for maps in self._maps(x, labels))
        return torch.maximum(a, b)

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Logits of branch A, which predicts.

        Args:
            feats (Sequence[Tensor]): Maps, the last ``(B, in_channels, h,
                w)``, floating point.

        Returns:
            Tensor: ``(B, num_classes)``.

        Raises:
            ValueError: If the last map has a different shape.
        """
        return self.branch_a(self._input(feats)).mean((2, 3))

    def loss(self, feats: Sequence[Tensor], data_samples: list[DataSample],
             **kwargs) -> dict[str, Tensor]:
        """Add the losses of both branches.

        Args:
            feats (Sequence[Tensor]): Maps, the last ``(B, in_channels, h,
                w)``, floating point.
            data_samples (list[DataSample]): Labels of the images. With mixed
                labels, the erased attention is the weighted sum over classes.
            **kwargs: Arguments of the loss.

        Returns:
            dict[str, Tensor]: ``loss``, ``()``, and accuracies of branch A
            if ``cal_acc`` is set.

        Raises:
            ValueError: If the last map has a different shape.
        """
        key = 'gt_score' if 'gt_score' in data_samples[0] else 'gt_label'
        labels = torch.stack([sample.get(key) for sample in data_samples])
        a, b = self.logits(
            feats, labels if key == 'gt_score' else labels[:, 0])
        losses = self._get_loss(a, data_samples, **kwargs)
        other = self._get_loss(b, data_samples, **kwargs)
        return losses | dict(loss=losses['loss'] + other['loss'])

    def _maps(self, feats: Tensor | Sequence[Tensor],
              labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Maps of all classes of both branches, ``(B, num_classes, h, w)``."""
        x = self._input(feats)
        a = self.branch_a(x)
        if labels is None:
            labels = a.mean((2, 3)).argmax(1)
        attention = normalize_maps(_of_classes(a.detach(), labels))
        return a, self.branch_b(
            erase_attended(x, attention, self.drop_threshold))

    def _input(self, feats: Tensor | Sequence[Tensor]) -> Tensor:
        x = feats if isinstance(feats, Tensor) else feats[-1]
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f'Expected maps (B, {self.in_channels}, h, w) for ACoLHead, '
                f'but got {tuple(x.shape)}. Set `head.in_channels`, and use '
                'no neck: the head pools itself.')
        return x


def _branch(in_channels: int, mid_channels: int,
            num_classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, mid_channels, 3, padding=1), nn.ReLU(),
        nn.Conv2d(mid_channels, mid_channels, 3, padding=1), nn.ReLU(),
        nn.Conv2d(mid_channels, num_classes, 1))


def _of_classes(maps: Tensor, labels: Tensor) -> Tensor:
    """Map of the class of each sample, or weighted sum over all classes."""
    if labels.ndim == 2:
        return torch.einsum('bkhw,bk->bhw', maps, labels.to(maps.dtype))
    return maps[torch.arange(len(maps), device=maps.device), labels]
