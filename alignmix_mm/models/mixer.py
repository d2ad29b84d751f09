"""Execution of a mix plan on maps, tokens and embeddings."""
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..mixing import MixPlan
from ..ops import align_and_mix
from ..ops._dispatch import MAX_POSITIONS
from ..ops.transport import check_options

MAX_BLOCK = 8  # sides of a block of positions that are moved together
Features = Tensor | tuple[Tensor, ...]


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

    def forward(self, feats: Features, plan: MixPlan | None,
                embed: Callable[[Features], Features]) -> Features:
        """Mix the map, embed, mix the embedding: at most one of the two.

        Args:
            feats (Tensor | tuple[Tensor]): Feature maps, ``(N, C, H, W)``.
            plan (MixPlan, optional): The plan; None embeds and no more.
            embed (Callable): Maps features to embeddings.

        Returns:
            Tensor | tuple[Tensor]: What ``embed`` returns, mixed.
        """
        if plan is not None and plan.mixes_features:
            feats = (self.mix_map(only_map(feats), plan), )
        embedding = embed(feats)
        if plan is not None and plan.mode == 'embed':
            return _mix_nested(embedding, plan)
        return embedding

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
        grid = _check_grid(patches.shape[2], grid)
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

    def _align_and_mix(self, x: Tensor, plan: MixPlan, eps: float) -> Tensor:
        return align_and_mix(x, x, plan.lam, eps=eps, perm=plan.perm,
                             swap=plan.swaps, **self.transport)

    def extra_repr(self) -> str:
        """Show the options."""
        options = dict(align=self.align, eps=self.eps, **self.transport)
        return ', '.join(f'{k}={v!r}' for k, v in options.items())


def block_size(size: Sequence[int]) -> int:
    """Side of the square blocks in which a map is aligned.

    The smallest that divides the map and leaves at most 256 of them, for
    which a plan is small and the kernels are made.

    Args:
        size (Sequence[int]): Rows and columns of the map.

    Returns:
        int: Rows and columns of a block, from 1 to 8.

    Raises:
        ValueError: If there is no such block.
    """
    height, width = size
    for side in range(1, MAX_BLOCK + 1):
        if (height % side == width % side == 0
                and height * width <= MAX_POSITIONS * side**2):
            return side
    raise ValueError(
        f'Expected a map of at most {MAX_POSITIONS} positions, or one whose '
        f'sides can be divided into at most {MAX_POSITIONS} blocks of up to '
        f'{MAX_BLOCK}x{MAX_BLOCK} positions, but got {height}x{width}. Mix at '
        'a deeper place, train with another image size, pool with '
        "AlignMixNeck's `align_size`, or mix without alignment.")


def only_map(feats: Features) -> Tensor:
    """Return the one map that a backbone returned, ``(N, C, H, W)``.

    Args:
        feats (Tensor | tuple[Tensor]): Output of the backbone.

    Returns:
        Tensor: The map.

    Raises:
        ValueError: If it is not one map.
    """
    maps = (feats, ) if isinstance(feats, Tensor) else tuple(feats)
    remedy = ('Mix inside the backbone, e.g. '
              "`model.mix_at='layer4.0'`, or let AlignMix draw "
              "modes=('input', 'embed') only.")
    if len(maps) != 1:
        raise ValueError(
            'Expected one feature map to mix, but the backbone returned '
            f'{len(maps)}. Set `backbone.out_indices` to its last stage. '
            f'Or: {remedy}')
    if not isinstance(maps[0], Tensor) or maps[0].ndim != 4:
        got = getattr(maps[0], 'shape', type(maps[0]).__name__)
        raise ValueError(
            'Expected a feature map (N, C, H, W) to mix, but the backbone '
            f'returned {tuple(got) if isinstance(got, tuple) else got}. '
            f'{remedy} Or make the backbone return its last map '
            '(`gap_before_final_norm=False` for ConvNeXt, '
            "`out_type='featmap'` for ViT) with a pooling neck.")
    return maps[0]


def _check_grid(num_patches: int,
                grid: Sequence[int] | None) -> tuple[int, int]:
    if grid is None:
        side = math.isqrt(num_patches)
        # up to 256, a plan does not depend on the form of the grid
        grid = (side, side) if side**2 == num_patches else (num_patches, 1)
        if math.prod(grid) > MAX_POSITIONS and grid[1] == 1:
            raise ValueError(
                f'Expected at most {MAX_POSITIONS} patches or a square of '
                f'them, but got {num_patches}. Mix the output of a stage that '
                'returns its rows and columns too, or at a deeper place.')
    if math.prod(grid) != num_patches:
        raise ValueError(f'Expected {math.prod(grid)} patches in a grid of '
                         f'{tuple(grid)}, but got {num_patches}. Is the '
                         'number of class tokens right?')
    return tuple(grid)


def _mix_nested(embedding: Features, plan: MixPlan) -> Features:
    """Mix every tensor; DeiT returns a tuple of its two tokens in a tuple."""
    if isinstance(embedding, Tensor):
        return plan.mix(embedding)
    return tuple(_mix_nested(e, plan) for e in embedding)
