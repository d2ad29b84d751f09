"""The VGG of adversarial complementary learning."""
import torch.nn.functional as F
from mmpretrain.models.backbones import VGG
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from .vgg_gap import rename_torchvision


@MODELS.register_module()
class VGGACoL(VGG):
    """VGG with overlapping pooling, which at the end keeps the map's size.

    The backbone of Zhang et al. (2018), in the version of Choe et al. (2020):
    3x3 max pooling, the last one with stride 1, and at the end 3x3 average
    pooling with stride 1 (padding counts as zeros). Images of 224 pixels give
    maps of 14x14. Use ``ACoLHead`` after it.

    Weights of a VGG can be loaded from checkpoints of MMPretrain and
    torchvision, see :class:`VGGGAP`.

    Args:
        large_map (bool): Whether the second-to-last max pooling keeps the
            size too, as in the original: maps of 28x28. Defaults to False.
        depth (int): 11, 13, 16 or 19. Defaults to 16.
        **kwargs: Further arguments of ``VGG``.
    """

    def __init__(self,
                 large_map: bool = False,
                 depth: int = 16,
                 **kwargs) -> None:
        super().__init__(depth, **kwargs)
        strides = iter((2, 2, 2, 1 if large_map else 2, 1))
        for number, layer in enumerate(self.features):
            if isinstance(layer, nn.MaxPool2d):
                self.features[number] = nn.MaxPool2d(
                    3, next(strides), padding=1)
        self._register_load_state_dict_pre_hook(
            rename_torchvision, with_module=True)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Compute the map.

        Args:
            x (Tensor): Images, ``(N, 3, H, W)``, floating point.

        Returns:
            tuple[Tensor]: ``(N, 512, H / 16, W / 16)``, or H / 8 and W / 8
            with ``large_map``; fractions are rounded up.
        """
        features = super().forward(x)[-1]
        return (F.avg_pool2d(features, 3, stride=1, padding=1), )
