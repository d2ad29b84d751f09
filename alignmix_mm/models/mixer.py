"""Execution of a mix plan on maps, tokens and embeddings."""
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ..mixing import MixPlan, Mixture
from ..ops.options import TransportOptions
from .embeddings import Embedding
from .shapes import Features, only_map, patch_grid


class MapMixer(nn.Module):
    """Mixes maps and embeddings as a plan says. It has no parameters.

    Args:
        align (bool): Whether partners are aligned to anchors, for methods
            that align and have no options of their own. Defaults to True.
        **transport: Options of
            :class:`alignmix_mm.ops.options.TransportOptions`, for the same
            methods.

    Raises:
        ValueError: If an option is out of range.
    """

    def __init__(self, align: bool = True, **transport) -> None:
        super().__init__()
        self.align = align
        self.transport = TransportOptions(**transport)

    def complete(self, plan: MixPlan) -> MixPlan:
        """Fill in the options that the plan leaves to the model.

        Args:
            plan (MixPlan): The plan.

        Returns:
            MixPlan: The plan with all options.
        """
        return plan.with_defaults(self.align, self.transport)

    def forward(self, feats: Features, plan: MixPlan | None,
                embed: Callable[[Features], Features]) -> Features:
        """Mix the map, embed, mix the embedding, as the plan says.

        Args:
            feats (Tensor | tuple[Tensor]): Feature maps, ``(N, C, H, W)``,
                floating point.
            plan (MixPlan, optional): The plan; with None it only embeds.
            embed (Callable): Maps features to embeddings. The parts of an
                :class:`Embedding` are mixed before it is finished.

        Returns:
            Tensor | tuple[Tensor]: The mixed output of ``embed``.

        Raises:
            ValueError: If the plan mixes features, and these are not one map.
        """
        if plan is None:
            return embed(feats)
        plan = self.complete(plan)
        if plan.features is not None:
            feats = (plan.features.mix_map(only_map(feats)), )
        if plan.embedding is None:
            return embed(feats)
        if isinstance(embed, Embedding):
            return embed.finish(
                plan.embedding.mix_parts(embed.encode(feats)))
        return _mix_nested(embed(feats), plan.embedding)

    def extra_repr(self) -> str:
        """The options, for ``print(model)``."""
        options = dict(align=self.align, **self.transport.asdict())
        return ', '.join(f'{k}={v!r}' for k, v in options.items())


def mix_tokens(x: Tensor,
               mixture: Mixture,
               num_extra: int = 0,
               grid: Sequence[int] | None = None) -> Tensor:
    """Mix tokens: patches as a map, class tokens without alignment.

    Args:
        x (Tensor): Tokens of the whole batch, ``(B, N, C)``, floating point.
        mixture (Mixture): How to mix.
        num_extra (int): Number of class and distillation tokens, which come
            first. Defaults to 0.
        grid (Sequence[int], optional): Rows and columns of the patches. Only
            more than 256 patches need it. Defaults to None: a square, if
            they form one.

    Returns:
        Tensor: Mixed tokens, ``(B', N, C)``, in the dtype of ``x``.

    Raises:
        ValueError: If ``grid`` does not fit the patches, or if it is None and
            more than 256 patches do not form a square.
    """
    if not mixture.aligns:
        return mixture(x)
    extra, patches = x[:, :num_extra], x[:, num_extra:].transpose(1, 2)
    grid = patch_grid(patches.shape[2], grid)
    mixed = mixture.mix_map(patches.unflatten(2, grid))
    return torch.cat(
        [mixture(extra), mixed.flatten(2).transpose(1, 2)], dim=1)


def _mix_nested(embedding: Features | None,
                mixture: Mixture) -> Features | None:
    """Mix every tensor; DeiT returns a tuple of its two tokens in a tuple."""
    if embedding is None:  # a branch that Inception does not have
        return None
    if isinstance(embedding, Tensor):
        return mixture(embedding)
    return tuple(_mix_nested(e, mixture) for e in embedding)
