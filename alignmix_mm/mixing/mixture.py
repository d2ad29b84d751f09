"""How mixed samples are made from the samples of a batch."""
from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..ops import TransportInfo
from ..ops.options import TransportOptions


class Alignment(NamedTuple):
    """How the maps of a batch were aligned.

    Attributes:
        R (Tensor): Assignment of each pair, ``(B, h * w, h * w)``, float32:
            rows are positions of the anchor.
        grid (tuple[int, int]): Rows and columns of the map, h and w.
        anchors (Tensor): Sample that keeps its positions, ``(B, )``, int64.
        partners (Tensor): Sample that is aligned to it, ``(B, )``, int64.
        lam (Tensor): Weight of the anchor, ``(B, )``, float32.
        info (TransportInfo): How the assignments were computed.
        place (str): Place of the alignment: dotted path of a module of the
            backbone, or ``'the neck'``.
    """

    R: Tensor
    grid: tuple[int, int]
    anchors: Tensor
    partners: Tensor
    lam: Tensor
    info: TransportInfo
    place: str = ''

    @property
    def entropy(self) -> Tensor:
        """Mean entropy of the rows of R, ``(B, )``, float32, in [0, 1].

        0 if each position matches only one other, 1 if it matches all
        equally.
        """
        positions = max(self.R.shape[2], 2)  # log 1 is 0
        return torch.special.entr(self.R).sum(2).mean(1) / math.log(positions)


class Mixture(abc.ABC):
    """Makes mixed samples from the samples of a batch.

    The same weights mix images, feature maps, embeddings and labels. A
    method that does more than a weighted sum defines a subclass.
    """

    #: Whether positions of maps are matched before they are mixed.
    aligns = False

    @abc.abstractmethod
    def shares(self) -> tuple[Tensor, Tensor]:
        """The parents of each mixed sample, and their weights.

        Returns:
            tuple[Tensor, Tensor]: Indices of the parents in the batch,
            ``(B', M)``, int64, and their weights, ``(B', M)``, float32; rows
            sum to 1.
        """

    def __call__(self, x: Tensor) -> Tensor:
        """Mix images, vectors or labels: the weighted sum of the parents.

        Args:
            x (Tensor): ``(B, ...)``, floating point.

        Returns:
            Tensor: ``(B', ...)`` in the dtype of ``x``.
        """
        dtype = torch.promote_types(x.dtype, torch.float32)
        shape = (-1, *[1] * (x.ndim - 1))
        parents, weights = self.shares()
        mixed = sum(weight.view(shape) * x[parent].to(dtype) for parent, weight
                    in zip(parents.T, weights.to(dtype).T))
        return mixed.to(x.dtype)

    def mix_map(self, x: Tensor) -> Tensor:
        """Mix feature maps, whose positions a method may move.

        Args:
            x (Tensor): ``(B, C, H, W)``, floating point.

        Returns:
            Tensor: ``(B', C, H, W)`` in the dtype of ``x``.
        """
        return self(x)

    def mix_parts(self, parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Mix the parts of an embedding, e.g. mean and deviation.

        Args:
            parts (tuple[Tensor]): ``(B, d)`` or ``(B, C, H, W)`` each,
                floating point.

        Returns:
            tuple[Tensor]: The mixed parts, of the same dtypes, with ``B'``
            samples.
        """
        return tuple(map(self, parts))

    def with_defaults(self, align: bool,
                      transport: TransportOptions) -> Mixture:
        """Fill in the model's options where the method has none.

        Args:
            align (bool): Whether maps are aligned.
            transport (TransportOptions): Options of the transport.

        Returns:
            Mixture: With these options, if it has any.
        """
        return self

    def unaligned(self) -> Mixture:
        """The same samples and weights, without alignment."""
        return self

    def measure(self, x: Tensor) -> Alignment | None:
        """How a map is aligned, for logs and pictures.

        Args:
            x (Tensor): ``(B, C, H, W)``, floating point.

        Returns:
            Alignment, optional: None if the map is not aligned.
        """
        return None

    def matrix(self, batch_size: int) -> Tensor:
        """The weights as one matrix.

        Args:
            batch_size (int): Number of samples in the batch, B.

        Returns:
            Tensor: ``(B', B)``, float32, whose rows sum to 1: labels ``y``
            become ``matrix @ y``.
        """
        parents, weights = self.shares()
        return weights.new_zeros(len(weights), batch_size).scatter_add(
            1, parents, weights)


@dataclass(frozen=True, eq=False)
class WeightedSum(Mixture):
    """Any number of samples, each with its weight.

    Attributes:
        parents (Tensor): ``(B', M)``, int64.
        weights (Tensor): ``(B', M)``, float32; rows sum to 1.
    """

    parents: Tensor
    weights: Tensor

    def shares(self) -> tuple[Tensor, Tensor]:
        """Parents and weights, as given."""
        return self.parents, self.weights
