"""VGG-GAP: a VGG that ends in a map to be pooled globally."""
import re

from mmcv.cnn import ConvModule
from mmpretrain.models.backbones import VGG
from mmpretrain.registry import MODELS
from torch import Tensor, nn

_TORCHVISION = re.compile(r'features\.(\d+)\.(weight|bias)')


@MODELS.register_module()
class VGGGAP(VGG):
    """VGG without its last pooling, and with one more convolution.

    The change that Zhou et al., *Learning deep features for discriminative
    localization* (2016), make to VGG-16: images of 224 pixels give maps of
    14x14. Use global average pooling and a linear head after it. The
    defaults are those of Choe et al. (2020); the network that Zhou et al.
    published has ``groups=2, dropout=0.5``.

    Weights of a VGG can be loaded from checkpoints of MMPretrain and
    torchvision, ``init_cfg=dict(type='Pretrained',
    checkpoint='torchvision://vgg16')``. The new convolution then keeps its
    own initialization (Kaiming, fan out).

    Args:
        depth (int): 11, 13, 16 or 19. Defaults to 16.
        out_channels (int): Channels of the map. Defaults to 1024.
        groups (int): Groups of the new convolution. Defaults to 1.
        dropout (float): Share of channels that are dropped in training.
            Dropping whole channels equals dropout after the pooling.
            Defaults to 0.
        **kwargs: Further arguments of ``VGG``.
    """

    def __init__(self,
                 depth: int = 16,
                 out_channels: int = 1024,
                 groups: int = 1,
                 dropout: float = 0.,
                 **kwargs) -> None:
        super().__init__(depth, with_last_pool=False, **kwargs)
        self.conv6 = ConvModule(
            512, out_channels, 3, padding=1, groups=groups)
        self.dropout = nn.Dropout2d(dropout)
        self._register_load_state_dict_pre_hook(
            rename_torchvision, with_module=True)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Compute the map.

        Args:
            x (Tensor): Images, ``(N, 3, H, W)``, floating point.

        Returns:
            tuple[Tensor]: ``(N, out_channels, H / 16, W / 16)``.
        """
        return (self.dropout(self.conv6(super().forward(x)[-1])), )


def rename_torchvision(module: VGG, state_dict: dict, prefix: str,
                       *_) -> None:
    """Turn torchvision's names into MMPretrain's, in place.

    It is a hook of ``load_state_dict``, which works on a copy of the caller's
    dict. Layers have different numbers in torchvision, but the same order.
    Weights of the classifier are dropped.

    Args:
        module (VGG): The network.
        state_dict (dict): Weights by name; changed in place.
        prefix (str): Prefix of the names of this network.

    Raises:
        ValueError: If the checkpoint has a different number of layers.
    """
    given = {}
    for key in [key for key in state_dict if key.startswith(prefix)]:
        name = key.removeprefix(prefix)
        if match := _TORCHVISION.fullmatch(name):
            given.setdefault(int(match[1]), {})[match[2]] = state_dict.pop(key)
        elif name.startswith('classifier.'):
            state_dict.pop(key)
    own = [number for number, layer in enumerate(module.features)
           if isinstance(layer, ConvModule)]
    if len(given) not in (0, len(own)):
        raise ValueError(f'Expected weights of {len(own)} layers, but the '
                         f'checkpoint has {len(given)}: it is of a different '
                         'VGG.')
    for number, old in zip(own, sorted(given)):
        for kind, value in given[old].items():
            state_dict[f'{prefix}features.{number}.conv.{kind}'] = value
