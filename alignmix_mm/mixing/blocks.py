"""Blocks of positions, for the alignment of large maps."""
from collections.abc import Sequence

from ..ops._dispatch import MAX_POSITIONS

MAX_BLOCK = 8  # largest side of a block, whose positions move together


def block_size(size: Sequence[int]) -> int:
    """Side of the square blocks in which a map is aligned.

    It is the smallest side that divides the map into at most 256 blocks: up
    to there a plan is small, and the kernels support it.

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
        'a deeper place, train with a different image size, pool with '
        "AlignMixNeck's `align_size`, or mix without alignment.")
