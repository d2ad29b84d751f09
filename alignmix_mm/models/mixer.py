"""Execution of a mix plan on maps, tokens and embeddings."""
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..mixing import MixPlan
from ..ops import align, align_and_mix, assignment, pairwise_cost
from ..ops.transport import check_options
from .embeddings import Embedding
from .shapes import Features, block_size, only_map, patch_grid


class MapMixer(nn.Module):
    """Mix maps, tokens and embeddings as a plan says. It has no parameters.

    Args:
        align (bool): Whether the partner is aligned to the anchor before
            they are mixed. Defaults to True.
        eps (float): Entropic regularization. Defaults to 0.1.
        solver (str): ``'annealed'`` or ``'log'``. Defaults to
            ``'annealed'``.
        num_iters (int, optional): Budget of the solver. Defaults to None,
            the solver's own.
        tol (float, optional): See :func:`alignmix_mm.ops.assignment`.
            Defaults to None.
        end (str): See :func:`alignmix_mm.ops.assignment`. Defaults to
            ``'row'``.
        backend (str): See :func:`alignmix_mm.ops.assignment`. Defaults to
            ``'auto'``.

    Raises:
        ValueError: If an option is out of range.
    """

    def __init__(self,
                 align: bool = True,
                 eps: float = 0.1,
                 solver: str = 'annealed',
                 num_iters: int | None = None,
                 tol: float | None = None,
                 end: str = 'row',
                 backend: str = 'auto') -> None:
        super().__init__()
        check_options(solver, eps, num_iters, tol, end, backend)
        self.align = align
        self.eps = eps
        self.transport = dict(
            solver=solver, num_iters=num_iters, tol=tol, end=end,
            backend=backend)
        self._observers: list[list[tuple[Tensor, float]]] = []

    def forward(self, feats: Features, plan: MixPlan | None,
                embed: Callable[[Features], Features]) -> Features:
        """Mix the map, embed, mix the embedding: at most one of the two.

        Args:
            feats (Tensor | tuple[Tensor]): Feature maps, ``(N, C, H, W)``.
            plan (MixPlan, optional): The plan; None embeds and no more.
            embed (Callable): Maps features to embeddings. The parts of an
                :class:`Embedding` are mixed before it is finished.

        Returns:
            Tensor | tuple[Tensor]: What ``embed`` returns, mixed.
        """
        if plan is not None and plan.mixes_features:
            feats = (self.mix_map(only_map(feats), plan), )
        if plan is None or plan.mode != 'embed':
            return embed(feats)
        if isinstance(embed, Embedding):
            return embed.finish(self.mix_parts(embed.encode(feats), plan))
        return _mix_nested(embed(feats), plan)

    def mix_map(self, x: Tensor, plan: MixPlan) -> Tensor:
        """Mix a map, eqs. (12) and (13), or (1) without alignment.

        A map of more than 256 positions is aligned in blocks, see
        :func:`block_size`: the plan matches blocks with blocks, at the mean
        cost of their positions, and moves each of them as it is. That is the
        solution of eq. (8) among the plans that keep blocks together. Rows
        and columns of such a plan still sum to one.

        Args:
            x (Tensor): Map of the whole batch, ``(B, C, H, W)``.
            plan (MixPlan): The plan.

        Returns:
            Tensor: Mixed map, ``(B, C, H, W)``.

        Raises:
            ValueError: If the map cannot be divided into blocks.
        """
        if not self.align:
            return plan.mix(x)
        plan.check_batch(x)
        side = block_size(x.shape[2:])
        if side == 1:
            return self._align_and_mix(x, plan, self.eps)
        # A block is a position with the channels of all its positions; its
        # squared distances are sums of as many terms.
        blocks = F.pixel_unshuffle(x, side)
        mixed = self._align_and_mix(blocks, plan, self.eps * side**2)
        return F.pixel_shuffle(mixed, side)

    def mix_parts(self, parts: tuple[Tensor, ...],
                  plan: MixPlan) -> tuple[Tensor, ...]:
        """Mix the parts of an embedding with the same weights.

        Maps, i.e. the tensor E or M and Sigma of its distribution, are
        aligned: by the plan of transport of the first, so that mean and
        deviation of a position stay together. Vectors are not.

        Args:
            parts (tuple[Tensor]): Each ``(B, d)`` or ``(B, C, H, W)``.
            plan (MixPlan): The plan.

        Returns:
            tuple[Tensor]: The parts, mixed.
        """
        if not self.align or parts[0].ndim != 4:
            return tuple(plan.mix(part) for part in parts)
        if len(parts) == 1:
            return (self.mix_map(parts[0], plan), )
        anchors, partners = zip(*(plan.pair(part) for part in parts))
        R = assignment(
            pairwise_cost(anchors[0].detach().flatten(2),
                          partners[0].detach().flatten(2)),
            self.eps, **self.transport)
        return tuple(
            plan.interpolate(a, align(b.flatten(2), R).view_as(a))
            for a, b in zip(anchors, partners))

    def mix_tokens(self,
                   x: Tensor,
                   plan: MixPlan,
                   num_extra: int = 0,
                   grid: Sequence[int] | None = None) -> Tensor:
        """Mix tokens: patches as a map, class tokens without alignment.

        Args:
            x (Tensor): Tokens of the whole batch, ``(B, N, C)``.
            plan (MixPlan): The plan.
            num_extra (int): Number of class and distillation tokens, which
                come first. Defaults to 0.
            grid (Sequence[int], optional): Rows and columns of the patches.
                Only more than 256 patches need it. Defaults to None, which
                is a square.

        Returns:
            Tensor: Mixed tokens, ``(B, N, C)``.

        Raises:
            ValueError: If the patches are no square and ``grid`` is None.
        """
        if not self.align:
            return plan.mix(x)
        extra, patches = x[:, :num_extra], x[:, num_extra:].transpose(1, 2)
        grid = patch_grid(patches.shape[2], grid)
        mixed = self.mix_map(patches.unflatten(2, grid), plan)
        return torch.cat(
            [plan.mix(extra), mixed.flatten(2).transpose(1, 2)], dim=1)

    @contextmanager
    def unaligned(self) -> Iterator[None]:
        """Mix without alignment while the context lasts."""
        align, self.align = self.align, False
        try:
            yield
        finally:
            self.align = align

    @contextmanager
    def observed(self) -> Iterator[list[tuple[Tensor, float]]]:
        """Keep what is aligned while the context lasts.

        Yields:
            list[tuple[Tensor, float]]: Maps, ``(B, C, h, w)``, before they
            are mixed, each with the regularization of its transport.
        """
        seen: list[tuple[Tensor, float]] = []
        self._observers.append(seen)
        try:
            yield seen
        finally:
            self._observers.pop()

    def _align_and_mix(self, x: Tensor, plan: MixPlan, eps: float) -> Tensor:
        for seen in self._observers:
            seen.append((x.detach(), eps))
        return align_and_mix(x, x, plan.lam, eps=eps, perm=plan.perm,
                             swap=plan.swaps, **self.transport)

    def extra_repr(self) -> str:
        """Show the options."""
        options = dict(align=self.align, eps=self.eps, **self.transport)
        return ', '.join(f'{k}={v!r}' for k, v in options.items())


def _mix_nested(embedding: Features, plan: MixPlan) -> Features:
    """Mix every tensor; DeiT returns a tuple of its two tokens in a tuple."""
    if isinstance(embedding, Tensor):
        return plan.mix(embedding)
    return tuple(_mix_nested(e, plan) for e in embedding)
