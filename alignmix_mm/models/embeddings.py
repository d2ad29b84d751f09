"""The second encoder f, which turns a feature map into an embedding."""
from collections.abc import Sequence

from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor, nn


class Embedding(BaseModule):
    """A second encoder in two halves, between which embeddings are mixed.

    The first half gives the parts that mode ``'embed'`` mixes: a vector e, a
    tensor E, or the parameters of a distribution. The second half turns them
    into the input of the classifier.
    """

    def encode(self, feats: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Compute the parts.

        Args:
            feats (Tensor | Sequence[Tensor]): Maps of the stages,
                ``(N, C, H, W)``, floating point. The last map is encoded.

        Returns:
            tuple[Tensor]: ``(N, d)`` or ``(N, c, h, w)`` each.
        """
        raise NotImplementedError

    def finish(self, parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Make the embedding from its parts; by default it flattens them.

        Args:
            parts (tuple[Tensor]): The parts that ``encode`` returned, mixed
                or not.

        Returns:
            tuple[Tensor]: The last one is the embedding, ``(N, d)``.
        """
        return tuple(part.flatten(1) for part in parts)

    def forward(self, feats: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Embed the last map.

        Args:
            feats (Tensor | Sequence[Tensor]): See :meth:`encode`.

        Returns:
            tuple[Tensor]: See :meth:`finish`.
        """
        return self.finish(self.encode(feats))


@MODELS.register_module()
class LinearEmbedding(Embedding):
    """Flatten a feature map and project it, the paper's f (section 4.1).

    Every position has its own weights, so it matters where a feature is, and
    alignment changes the embedding. After global average pooling it would
    not.

    The flattened map is divided by the square root of the number of
    positions. Its norm is then that of the features of one position, as
    after pooling, and training does not diverge with learning rates that
    suit a pooled network. The layer can still express the same functions.

    Args:
        in_channels (int): ``C * H * W`` of the map.
        out_channels (int): Dimensions of the embedding.
        init_cfg (dict | list, optional): Initialization config. Defaults to
            a normal distribution with ``std=0.01`` for the weights.
    """

    def __init__(self,
                 in_channels: int,
                 out_channels: int,
                 init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg=init_cfg or dict(
            type='Normal', layer='Linear', std=0.01))
        self.in_channels = in_channels
        self.fc = nn.Linear(in_channels, out_channels)

    def encode(self, feats: Tensor | Sequence[Tensor]) -> tuple[Tensor]:
        """Project the last map.

        Args:
            feats (Tensor | Sequence[Tensor]): Maps ``(N, C, H, W)``,
                floating point.

        Returns:
            tuple[Tensor]: The vector e, ``(N, out_channels)``.

        Raises:
            ValueError: If the map does not have ``in_channels`` features.
        """
        x = _last(feats)
        flat = x.flatten(1)
        if flat.shape[1] != self.in_channels:
            raise ValueError(
                f'LinearEmbedding expected a map of in_channels='
                f'{self.in_channels} features, but got shape '
                f'{tuple(x.shape)}, i.e. {flat.shape[1]} features for each '
                'image. Set `neck.embed.in_channels` to C * H * W, or '
                '`neck.align_size` so that the map is pooled to a fixed size.')
        positions = x.shape[2:].numel()
        return (self.fc(flat * positions**-0.5), )


@MODELS.register_module()
class ConvEmbedding(Embedding):
    """A convolution with disjoint windows that gives the tensor E of Table 8.

    E is a small map. Mode ``'embed'`` aligns and mixes it like A (appendix
    C.1); the classifier gets it flattened. In the paper A is 512x4x4 and E
    is 128x2x2.

    As in :class:`LinearEmbedding`, features are divided by the square root
    of the number of positions that are summed, here those of a window.

    Args:
        in_channels (int): Channels of the map A.
        out_channels (int): Channels of E.
        kernel_size (int): Rows, columns and stride of the windows. Defaults
            to 2.
        init_cfg (dict | list, optional): Initialization config. Defaults to
            a normal distribution with ``std=0.01`` for the weights.
    """

    def __init__(self,
                 in_channels: int,
                 out_channels: int,
                 kernel_size: int = 2,
                 init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg=init_cfg or dict(
            type='Normal', layer='Conv2d', std=0.01))
        self.kernel_size = kernel_size
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size,
                              stride=kernel_size)

    def encode(self, feats: Tensor | Sequence[Tensor]) -> tuple[Tensor]:
        """Convolve the last map.

        Args:
            feats (Tensor | Sequence[Tensor]): Maps ``(N, C, H, W)``,
                floating point.

        Returns:
            tuple[Tensor]: The tensor E, ``(N, out_channels, h, w)``.

        Raises:
            ValueError: If the last one is not a map of ``in_channels``
                channels that can be divided into windows.
        """
        x = _last(feats)
        size, channels = self.kernel_size, self.conv.in_channels
        if x.ndim != 4 or x.shape[1] != channels or any(
                side % size for side in x.shape[2:]):
            raise ValueError(
                f'ConvEmbedding expected a map (N, {channels}, H, W) whose '
                f'sides are multiples of kernel_size={size}, but got shape '
                f'{tuple(x.shape)}. Set `neck.embed.in_channels`, '
                '`neck.embed.kernel_size` or `neck.align_size`.')
        return (self.conv(x / size), )


def _last(feats: Tensor | Sequence[Tensor]) -> Tensor:
    return feats if isinstance(feats, Tensor) else feats[-1]
