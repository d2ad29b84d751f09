"""Which shapes of maps and tokens can be mixed."""
import math
from collections.abc import Sequence

from mmpretrain.models.heads import LinearClsHead
from torch import Tensor, nn

from ..ops._dispatch import MAX_POSITIONS

Features = Tensor | tuple[Tensor, ...]


def present(feats: Features) -> tuple[Tensor, ...]:
    """The parts of a backbone's output.

    Args:
        feats (Tensor | tuple[Tensor | None]): Output of the backbone.

    Returns:
        tuple[Tensor]: The parts that are not None; Inception returns None
        for a branch that it does not have.
    """
    parts = (feats, ) if isinstance(feats, Tensor) else feats
    return tuple(part for part in parts if part is not None)


def only_map(feats: Features) -> Tensor:
    """The only map of a backbone's output.

    Args:
        feats (Tensor | tuple[Tensor]): Output of the backbone.

    Returns:
        Tensor: The map, ``(N, C, H, W)``.

    Raises:
        ValueError: If the output is not one map.
    """
    maps = present(feats)
    remedy = ('Mix inside the backbone, e.g. '
              "`model.mix_at='auto'`, or let AlignMix draw "
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


def patch_grid(num_patches: int,
               grid: Sequence[int] | None) -> tuple[int, int]:
    """Rows and columns of patches.

    Args:
        num_patches (int): Number of patches.
        grid (Sequence[int], optional): Rows and columns, if they are known.

    Returns:
        tuple[int, int]: Rows and columns; a square if they are not known.

    Raises:
        ValueError: If the grid has a different number of patches, or if it is
            None and more than 256 patches do not form a square.
    """
    if grid is None:
        side = math.isqrt(num_patches)
        # up to 256 patches, a plan does not depend on the shape of the grid
        grid = (side, side) if side**2 == num_patches else (num_patches, 1)
        if math.prod(grid) > MAX_POSITIONS and grid[1] == 1:
            raise ValueError(
                f'Expected at most {MAX_POSITIONS} patches or a square of '
                f'them, but got {num_patches}. Mix the output of a stage that '
                'also returns its rows and columns, or mix at a deeper place.')
    if math.prod(grid) != num_patches:
        raise ValueError(f'Expected {math.prod(grid)} patches in a grid of '
                         f'{tuple(grid)}, but got {num_patches}. Check the '
                         'number of class tokens, `model.num_extra_tokens`.')
    return tuple(grid)


def check_width(embedding: Features, head: nn.Module) -> None:
    """Raise if embeddings do not fit the linear layer of a head.

    Args:
        embedding (Tensor | tuple[Tensor]): Input of the head,
            ``(N, in_channels)``.
        head (nn.Module): The head. Without a layer ``fc``, widths are not
            checked.

    Raises:
        ValueError: If the width differs, or embeddings have positions.
    """
    fc = getattr(head, 'fc', None)
    e = embedding if isinstance(embedding, Tensor) else embedding[-1]
    if isinstance(head, LinearClsHead) and isinstance(e, Tensor) and (
            e.ndim > 2):
        raise ValueError(
            f'Expected embeddings (N, d) for {type(head).__name__}, but got '
            f'{tuple(e.shape)}. Set `neck` to one that pools positions, '
            "dict(type='GlobalAveragePooling') for maps (N, C, H, W).")
    if (isinstance(fc, nn.Linear) and isinstance(e, Tensor)
            and e.ndim == 2 and e.shape[1] != fc.in_features):
        raise ValueError(
            f'Expected embeddings of head.in_channels={fc.in_features} '
            f'dimensions, but got {tuple(e.shape)}. Set '
            f'`head.in_channels` to {e.shape[1]}, or the size of the '
            'embedding in `neck.embed`.')
