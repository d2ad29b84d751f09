"""Pairs of feature maps that are aligned before they are mixed."""
from __future__ import annotations

from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor

from ..ops import align, align_and_mix, pairwise_cost
from ..ops.align import assign_positions
from ..ops.options import TransportOptions
from .blocks import block_size
from .mixture import Alignment
from .pairs import Pairs


@dataclass(frozen=True, eq=False)
class AlignedPairs(Pairs):
    """Pairs whose partner is aligned to the anchor, eqs. (10) to (13).

    Only maps are aligned. Images, labels and vectors are mixed as they are.

    Attributes:
        transport (TransportOptions, optional): Options of the transport.
            Defaults to None: the model's options.
    """

    transport: TransportOptions | None = None

    aligns = True

    def with_defaults(self, align: bool,
                      transport: TransportOptions) -> Pairs:
        """Take the options of the model if the method has none.

        Args:
            align (bool): Whether the model aligns.
            transport (TransportOptions): The model's options.

        Returns:
            Pairs: These pairs if they have options. Otherwise pairs with the
            model's options, or plain pairs if the model does not align.
        """
        if self.transport is not None:
            return self
        return replace(self, transport=transport) if align else (
            self.unaligned())

    def unaligned(self) -> Pairs:
        """The same pairs and weights without alignment."""
        return Pairs(self.lam, self.perm, self.swap)

    def mix_map(self, x: Tensor) -> Tensor:
        """Mix maps, eqs. (12) and (13).

        A map of more than 256 positions is aligned in blocks, see
        :func:`block_size`: the plan matches whole blocks, at the mean cost of
        their positions, and moves each block unchanged. It is the solution
        of eq. (8) among the plans that keep blocks together. Its rows and
        columns still sum to one.

        Args:
            x (Tensor): ``(B, C, H, W)``, floating point.

        Returns:
            Tensor: ``(B, C, H, W)``, in the dtype of ``x``.

        Raises:
            ValueError: If the map cannot be divided into blocks, or the
                pairs were drawn for a different batch size.
        """
        self.check_batch(x)
        blocks, side = _to_blocks(x)
        mixed = align_and_mix(blocks, blocks, self.lam, perm=self.perm,
                              swap=self.swap, **self._options(side))
        return _from_blocks(mixed, side)

    def mix_parts(self, parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Mix the parts of an embedding with the same weights.

        Maps (the tensor E, or M and Sigma of its distribution) are all
        aligned by the transport plan of the first part, so that mean and
        deviation of a position stay together. Vectors are not aligned.

        Args:
            parts (tuple[Tensor]): ``(B, d)`` or ``(B, C, H, W)`` each,
                floating point.

        Returns:
            tuple[Tensor]: The mixed parts, of the same shapes and dtypes.
        """
        if parts[0].ndim != 4:
            return super().mix_parts(parts)
        if len(parts) == 1:
            return (self.mix_map(parts[0]), )
        R = self.measure(parts[0]).R
        return tuple(self._mix_by(part, R) for part in parts)

    def measure(self, x: Tensor) -> Alignment:
        """The assignments by which :meth:`mix_map` moves the positions.

        Args:
            x (Tensor): ``(B, C, H, W)``, floating point.

        Returns:
            Alignment: That of blocks if the map is aligned in blocks.
        """
        blocks, side = _to_blocks(x.detach())
        anchors, partners = self.split(blocks)
        R, info = assign_positions(anchors.flatten(2), partners.flatten(2),
                                   pairwise_cost, self.swap,
                                   **self._options(side))
        parents, weights = self.shares()
        return Alignment(R, tuple(blocks.shape[2:]), *parents.T,
                         weights[:, 0], info)

    def _mix_by(self, x: Tensor, R: Tensor) -> Tensor:
        blocks, side = _to_blocks(x)
        anchor, partner = self.split(blocks)
        aligned = align(partner.flatten(2), R).view_as(anchor)
        return _from_blocks(self.interpolate(anchor, aligned), side)

    def _options(self, side: int) -> dict:
        options = (self.transport or TransportOptions()).asdict()
        # the squared distance of two blocks is a sum of side^2 terms
        return {**options, 'eps': options['eps'] * side**2}


def _to_blocks(x: Tensor) -> tuple[Tensor, int]:
    """Turn each block into one position, with the channels of the block."""
    side = block_size(x.shape[2:])
    return x if side == 1 else F.pixel_unshuffle(x, side), side


def _from_blocks(blocks: Tensor, side: int) -> Tensor:
    return blocks if side == 1 else F.pixel_shuffle(blocks, side)
