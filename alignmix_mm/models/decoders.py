"""Decoders, which turn an embedding back into an image."""
from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule, Sequential
from mmpretrain.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class ResidualDecoder(BaseModule):
    """The residual generator of Gulrajani et al. (2017), the paper's D.

    A linear layer turns the embedding into a small map, every residual block
    doubles its sides, and a ``tanh`` follows the last convolution. The paper
    gives no widths and only says that encoder and decoder are alike. The
    defaults mirror the encoder for CIFAR: 512x4x4 to 64x32x32. For 64 pixels
    use ``widths=(512, 512, 256, 128, 64)``, for 224 pixels
    ``widths=(512, 512, 256, 128, 64, 64), start_size=7``.

    Args:
        in_channels (int): Dimensions of the embedding.
        widths (Sequence[int]): Channels of the first map and after each
            block. Defaults to ``(512, 256, 128, 64)``.
        start_size (int): Rows and columns of the first map. Defaults to 4.
        out_channels (int): Channels of an image. Defaults to 3.
        init_cfg (dict | list, optional): Initialization config. Defaults to
            None: as in Gulrajani et al., Kaiming for the convolutions of
            blocks and Xavier for all other layers.
    """

    def __init__(self,
                 in_channels: int,
                 widths: Sequence[int] = (512, 256, 128, 64),
                 start_size: int = 4,
                 out_channels: int = 3,
                 init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg=init_cfg or dict(
            type='Xavier', distribution='uniform', layer=['Linear', 'Conv2d']))
        self.in_channels = in_channels
        self.start = (widths[0], start_size, start_size)
        self.fc = nn.Linear(in_channels, widths[0] * start_size**2)
        self.blocks = Sequential(*(
            _UpBlock(*pair) for pair in zip(widths, widths[1:])))
        self.norm = nn.BatchNorm2d(widths[-1])
        self.conv = nn.Conv2d(widths[-1], out_channels, 3, padding=1)

    @property
    def image_size(self) -> int:
        """Rows and columns of the images."""
        return self.start[1] * 2**len(self.blocks)

    def forward(self, embedding: Tensor) -> Tensor:
        """Decode.

        Args:
            embedding (Tensor): ``(N, in_channels)``, floating point; a tensor
                E ``(N, c, h, w)`` is flattened.

        Returns:
            Tensor: Images in [-1, 1], ``(N, out_channels, H, W)``.

        Raises:
            ValueError: If embeddings do not have ``in_channels`` dimensions.
        """
        flat = embedding.flatten(1)
        if flat.shape[1] != self.in_channels:
            raise ValueError(
                f'ResidualDecoder expected embeddings with in_channels='
                f'{self.in_channels} dimensions, but got shape '
                f'{tuple(embedding.shape)}. Set `decoder.in_channels` to '
                f'{flat.shape[1]}.')
        x = self.blocks(self.fc(flat).unflatten(1, self.start))
        return self.conv(self.norm(x).relu()).tanh()


class _UpBlock(BaseModule):
    """Residual block that doubles rows and columns.

    Args:
        in_channels (int): Channels of its input.
        out_channels (int): Channels of its output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(init_cfg=[
            dict(type='Kaiming', layer='Conv2d', mode='fan_in'),
            # no nonlinearity follows
            dict(type='Xavier', distribution='uniform',
                 override=dict(name='shortcut')),
        ])
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1,
                               bias=False)  # the next norm has a bias
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Add the branch to the shortcut.

        Args:
            x (Tensor): ``(N, in_channels, H, W)``, floating point.

        Returns:
            Tensor: ``(N, out_channels, 2 H, 2 W)``.
        """
        branch = self.conv1(_double(self.norm1(x).relu()))
        branch = self.conv2(self.norm2(branch).relu())
        # a 1x1 convolution before doubling gives the same at 1/4 of the cost
        return _double(self.shortcut(x)) + branch


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2., mode='nearest')
