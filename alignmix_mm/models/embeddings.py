"""The second encoder f, from a feature map to an embedding."""
from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class LinearEmbedding(BaseModule):
    """Flatten a feature map and project it, the paper's f (section 4.1).

    Every position has weights of its own, so it matters where a feature sits
    and alignment changes the embedding. Behind global average pooling it
    would not.

    The flattened map is divided by the square root of the number of
    positions. Its norm is then that of the features of one position, as
    behind pooling, and learning rates that suit a pooled network do not
    diverge here. What functions the layer can express does not change.

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

    def forward(self, feats: Tensor | tuple[Tensor, ...]) -> tuple[Tensor]:
        """Embed the last map.

        Args:
            feats (Tensor | tuple[Tensor]): Maps ``(N, C, H, W)``, from the
                first stage to the last.

        Returns:
            tuple[Tensor]: One embedding, ``(N, out_channels)``.

        Raises:
            ValueError: If the map does not have ``in_channels`` features.
        """
        x = feats[-1] if isinstance(feats, (tuple, list)) else feats
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
