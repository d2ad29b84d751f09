"""Wide ResNet for small images."""
from collections.abc import Sequence

from mmengine.model import BaseModule, Sequential
from mmpretrain.registry import MODELS
from torch import Tensor, nn


class WideBlock(BaseModule):
    """BN-ReLU-conv twice; the second convolution has the stride.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        stride (int): Stride of the second convolution. Defaults to 1.
        conv_bias (bool): Whether convolutions have a bias. Defaults to True.
        dropout (float): Dropout between the convolutions. Defaults to 0.
    """

    def __init__(self,
                 in_channels: int,
                 out_channels: int,
                 stride: int = 1,
                 conv_bias: bool = True,
                 dropout: float = 0.) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1,
                               bias=conv_bias)
        self.dropout = nn.Dropout(dropout)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride, 1,
                               bias=conv_bias)
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride,
                                      bias=conv_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Add the branch to the shortcut of the raw input.

        Args:
            x (Tensor): ``(N, in_channels, H, W)``, floating point.

        Returns:
            Tensor: ``(N, out_channels, H / stride, W / stride)``.
        """
        branch = self.dropout(self.conv1(self.norm1(x).relu()))
        return self.conv2(self.norm2(branch).relu()) + self.shortcut(x)


@MODELS.register_module()
class WideResNet_CIFAR(BaseModule):
    """Wide ResNet (Zagoruyko and Komodakis, 2016) for 32x32 images.

    The variant of the Manifold mixup code, which AlignMix's authors use: in
    a block, the second convolution has the stride, and convolutions have
    biases. The map ``A`` is 512x8x8 for WRN16-8.

    Args:
        depth (int): 6 n + 4 for n blocks in each stage. Defaults to 16.
        widen_factor (int): Width of the stages in units of 16, 32 and 64
            channels. Defaults to 8.
        in_channels (int): Channels of the images. Defaults to 3.
        conv_bias (bool): Whether convolutions have a bias. Defaults to True.
        dropout (float): Dropout inside blocks. Defaults to 0.
        final_bn_momentum (float): Momentum of the last normalization, as
            torch defines it. With the authors' 0.9 almost only the last batch
            counts, and test losses are noisy. Defaults to 0.1.
        out_indices (Sequence[int]): Stages to return, 0 to 2. Defaults to
            ``(2, )``.
        init_cfg (dict | list, optional): Initialization config. Defaults to
            Kaiming for convolutions and constant 1 for norms.

    Raises:
        ValueError: If the depth or a stage does not exist.
    """

    def __init__(self,
                 depth: int = 16,
                 widen_factor: int = 8,
                 in_channels: int = 3,
                 conv_bias: bool = True,
                 dropout: float = 0.,
                 final_bn_momentum: float = .1,
                 out_indices: Sequence[int] = (2, ),
                 init_cfg: dict | list | None = None) -> None:
        blocks, rest = divmod(depth - 4, 6)
        if rest or blocks < 1:
            raise ValueError('Expected `depth` to be 6 n + 4, e.g. 16, 22, 28 '
                             f'or 40, but got {depth!r}.')
        if not set(out_indices) <= {0, 1, 2}:
            raise ValueError('Expected `out_indices` to be some of 0, 1 and '
                             f'2, but got {out_indices!r}.')
        super().__init__(init_cfg=init_cfg or [
            dict(type='Kaiming', layer='Conv2d'),
            dict(type='Constant', val=1, layer='BatchNorm2d'),
        ])
        self.out_indices = tuple(out_indices)
        self.stem = nn.Conv2d(in_channels, 16, 3, padding=1, bias=conv_bias)
        channels = 16
        for stage, stride in enumerate((1, 2, 2)):
            width = 16 * 2**stage * widen_factor
            layer = Sequential()
            for n in range(blocks):
                layer.append(WideBlock(
                    channels, width, stride if n == 0 else 1, conv_bias,
                    dropout))
                channels = width
            self.add_module(f'layer{stage + 1}', layer)
        self.norm = nn.BatchNorm2d(channels, momentum=final_bn_momentum)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of ``out_indices``.

        Args:
            x (Tensor): Images, ``(N, in_channels, H, W)``, floating point.

        Returns:
            tuple[Tensor]: Feature maps ``(N, C, H', W')``; for the defaults
            and 32x32 images one map ``(N, 512, 8, 8)``, after BN and ReLU.
        """
        x = self.stem(x)
        outs = []
        for stage in range(3):
            x = getattr(self, f'layer{stage + 1}')(x)
            if stage in self.out_indices:
                outs.append(self.norm(x).relu() if stage == 2 else x)
        return tuple(outs)
