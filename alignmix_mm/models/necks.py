"""Execution of a mix plan between backbone and head."""
from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ..mixing import MixPlan
from .mixer import MapMixer
from .shapes import Features, only_map


@MODELS.register_module()
class AlignMixNeck(BaseModule):
    """The stage-2 encoder f, with mixing before or after it.

    Without a plan, i.e. in every evaluation, it only pools (``align_size``)
    and embeds.

    Args:
        embed (dict | nn.Module): The encoder f, for example
            ``dict(type='LinearEmbedding', ...)`` or
            ``dict(type='GlobalAveragePooling')``.
        align (bool): Whether feature maps are aligned before they are mixed.
            Defaults to True.
        align_size (int, optional): Average-pool the map to this many rows
            and columns first, in evaluation too; the paper's A is 4x4.
            Defaults to None, the size of the backbone's map.
        init_cfg (dict | list, optional): Initialization config. Defaults to
            None.
        **transport: Options of
            :class:`alignmix_mm.ops.options.TransportOptions`: ``eps``,
            ``solver``, ``num_iters``, ``tol``, ``end`` and ``backend``.

    Raises:
        ValueError: If an option is out of range.
    """

    def __init__(self,
                 embed: dict | nn.Module,
                 align: bool = True,
                 align_size: int | None = None,
                 init_cfg: dict | list | None = None,
                 **transport) -> None:
        super().__init__(init_cfg=init_cfg)
        if align_size is not None and (not isinstance(align_size, int)
                                       or align_size < 1):
            raise ValueError('Expected `align_size` to be an integer >= 1 or '
                             f'None, but got {align_size!r}.')
        self.align_size = align_size
        self.embed = (embed if isinstance(embed, nn.Module) else
                      MODELS.build(embed))
        self.mixer = MapMixer(align, **transport)

    def forward(self,
                feats: Features,
                plan: MixPlan | None = None) -> Features:
        """Embed feature maps, mixing as the plan says.

        Args:
            feats (Tensor | tuple[Tensor]): Output of the backbone, maps
                ``(N, C, H, W)``, floating point.
            plan (MixPlan, optional): The plan of this step. Defaults to
                None.

        Returns:
            Tensor | tuple[Tensor]: Output of ``embed``, embeddings
            ``(N, d)``.

        Raises:
            ValueError: If features are pooled or mixed, and these are not one
                map.
        """
        if self.align_size is not None:
            feats = (F.adaptive_avg_pool2d(only_map(feats),
                                           self.align_size), )
        return self.mixer(feats, plan, self.embed)


@MODELS.register_module()
class MeanOfPositions(nn.Module):
    """Average tokens, or maps with channels last, over positions.

    For backbones of timm. ``GlobalAveragePooling`` averages maps with
    channels first.
    """

    def forward(self, inputs: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Average.

        Args:
            inputs (Tensor | Sequence[Tensor]): ``(B, N, C)`` or
                ``(B, H, W, C)``, or several of them, floating point.

        Returns:
            tuple[Tensor, ...]: ``(B, C)`` each.
        """
        parts = (inputs, ) if isinstance(inputs, Tensor) else inputs
        return tuple(part.flatten(1, -2).mean(1) for part in parts)
