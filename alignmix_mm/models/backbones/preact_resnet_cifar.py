"""Pre-activation ResNet for small images."""
from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule, Sequential
from mmpretrain.registry import MODELS
from torch import Tensor, nn


class PreActBlock(BaseModule):
    """Pre-activation block: BN, ReLU, convolution, twice or three times.

    Args:
        in_channels (int): Input channels.
        base_channels (int): Channels of the stage before expansion.
        stride (int): Stride of the block. Defaults to 1.
        bottleneck (bool): Whether to use the 1x1, 3x3, 1x1 block, which
            expands ``base_channels`` by four, instead of two 3x3
            convolutions. Defaults to False.
        identity_shortcut (str): What an identity shortcut adds:
            ``'activated'`` or ``'raw'`` input. Defaults to ``'activated'``.
        init_cfg (dict, optional): Initialization config. Defaults to None.
    """

    def __init__(self,
                 in_channels: int,
                 base_channels: int,
                 stride: int = 1,
                 bottleneck: bool = False,
                 identity_shortcut: str = 'activated',
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        c = base_channels
        # (in, out, kernel, stride) of each convolution
        plan = ([(in_channels, c, 1, 1), (c, c, 3, stride), (c, 4 * c, 1, 1)]
                if bottleneck else [(in_channels, c, 3, stride),
                                    (c, c, 3, 1)])
        out_channels = plan[-1][1]
        self.norms = nn.ModuleList(nn.BatchNorm2d(i) for i, *_ in plan)
        self.convs = nn.ModuleList(
            nn.Conv2d(i, o, k, s, padding=k // 2, bias=False)
            for i, o, k, s in plan)
        self.raw_identity = identity_shortcut == 'raw'
        self.shortcut = None
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Conv2d(
                in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, H', W')``."""
        activated = F.relu(self.norms[0](x))
        if self.shortcut is not None:
            shortcut = self.shortcut(activated)
        else:
            shortcut = x if self.raw_identity else activated
        out = self.convs[0](activated)
        for norm, conv in zip(self.norms[1:], self.convs[1:]):
            out = conv(F.relu(norm(out)))
        return out + shortcut


@MODELS.register_module()
class PreActResNet_CIFAR(BaseModule):
    """Pre-activation ResNet for 32x32 (and 64x64) images.

    The network of `Identity Mappings in Deep Residual Networks
    <https://arxiv.org/abs/1603.05027>`_ with a 3x3 stem and no max pooling,
    as mixup papers use it on CIFAR and TinyImageNet. The defaults are the
    variant of AlignMix's authors. Their map ``A`` is the raw sum of the last
    block, without BN and ReLU after it.

    Args:
        depth (int): 18, 34 or 50. Defaults to 18.
        in_channels (int): Channels of the images. Defaults to 3.
        base_channels (int): Channels of the first stage. Defaults to 64.
        stem_stride (int): Stride of the first convolution; 2 is the
            TinyImageNet variant of PuzzleMix. Defaults to 1.
        stem_norm (bool): Whether BN and ReLU follow the first convolution.
            Defaults to True.
        identity_shortcut (str): What an identity shortcut adds:
            ``'activated'``, the input after BN and ReLU (AlignMix's
            authors), or ``'raw'``, the input itself (He et al., Manifold
            mixup, PuzzleMix). Defaults to ``'activated'``.
        final_norm (bool): Whether BN and ReLU follow the last block.
            Defaults to False.
        last_stride (int): Stride of the last stage; 1 gives an 8x8 map for
            32x32 images. Defaults to 2.
        out_indices (Sequence[int]): Stages to return, 0 to 3. Defaults to
            ``(3, )``.
        init_cfg (dict | list, optional): Initialization config. Defaults to
            Kaiming for convolutions and constant 1 for norms.

    Raises:
        ValueError: If an option is not one of those listed.
    """

    # depth: (blocks of each stage, bottleneck)
    arch_settings = {
        18: ((2, 2, 2, 2), False),
        34: ((3, 4, 6, 3), False),
        50: ((3, 4, 6, 3), True),
    }

    def __init__(self,
                 depth: int = 18,
                 in_channels: int = 3,
                 base_channels: int = 64,
                 stem_stride: int = 1,
                 stem_norm: bool = True,
                 identity_shortcut: str = 'activated',
                 final_norm: bool = False,
                 last_stride: int = 2,
                 out_indices: Sequence[int] = (3, ),
                 init_cfg: dict | list | None = None) -> None:
        _check_option('depth', depth, self.arch_settings)
        _check_option('identity_shortcut', identity_shortcut,
                      ('activated', 'raw'))
        for index in out_indices:
            _check_option('out_indices', index, range(4))
        super().__init__(init_cfg=init_cfg or [
            dict(type='Kaiming', layer='Conv2d'),
            dict(type='Constant', val=1, layer='BatchNorm2d'),
        ])
        self.out_indices = tuple(out_indices)
        self.stem = Sequential(
            nn.Conv2d(in_channels, base_channels, 3, stem_stride, 1,
                      bias=False))
        if stem_norm:
            self.stem.append(nn.BatchNorm2d(base_channels))
            self.stem.append(nn.ReLU(inplace=True))

        blocks, bottleneck = self.arch_settings[depth]
        channels = base_channels
        for stage, stride in enumerate((1, 2, 2, last_stride)):
            width = base_channels * 2**stage
            layer = Sequential()
            for n in range(blocks[stage]):
                layer.append(
                    PreActBlock(channels, width, stride if n == 0 else 1,
                                bottleneck, identity_shortcut))
                channels = 4 * width if bottleneck else width
            self.add_module(f'layer{stage + 1}', layer)
        self.final = nn.Identity()
        if final_norm:
            self.final = Sequential(
                nn.BatchNorm2d(channels), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of ``out_indices``.

        Args:
            x (Tensor): Images, ``(N, in_channels, H, W)``, floating point.

        Returns:
            tuple[Tensor]: Feature maps ``(N, C, H', W')``; for the defaults
            and 32x32 images one map ``(N, 512, 4, 4)``.
        """
        x = self.stem(x)
        outs = []
        for stage in range(4):
            x = getattr(self, f'layer{stage + 1}')(x)
            if stage in self.out_indices:
                outs.append(self.final(x) if stage == 3 else x)
        return tuple(outs)


def _check_option(name: str, value, allowed) -> None:
    if value not in allowed:
        raise ValueError(f'Expected `{name}` to be one of {list(allowed)}, '
                         f'but got {value!r}.')
