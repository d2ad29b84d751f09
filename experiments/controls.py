"""AlignMix with other matches of positions: controls of the experiments."""
from dataclasses import dataclass

import torch
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor

from alignmix_mm import AlignMix
from alignmix_mm.mixing import MixPlan, Pairs
from alignmix_mm.mixing.draws import Draws
from alignmix_mm.ops import align, assignment, pairwise_cost


@dataclass(frozen=True, eq=False)
class MatchedPairs(Pairs):
    """Pairs whose partner's positions are moved, but not by the paper's plan.

    Attributes:
        eps (float): Entropic regularization, a part of the mean cost of each
            pair. Only :meth:`transported` uses it. Defaults to 0.1.
        prior (float): Weight of the distance on the grid, as a part of the
            mean cost. Only :meth:`transported` uses it. Defaults to 0.
    """

    eps: float = .1
    prior: float = 0.

    aligns = True

    def unaligned(self) -> Pairs:
        """The same pairs, with each position matched to itself."""
        return Pairs(self.lam, self.perm, self.swap)

    def move(self, anchor: Tensor, partner: Tensor) -> Tensor:
        """Move the positions of a partner.

        Args:
            anchor (Tensor): ``(B, C, H, W)``.
            partner (Tensor): Like the anchor.

        Returns:
            Tensor: The partner's features at other positions.
        """
        raise NotImplementedError

    def mix_map(self, x: Tensor) -> Tensor:
        """Mix maps, ``(B, C, H, W)``."""
        anchor, partner = self.split(x)
        return self.interpolate(anchor, self.move(anchor, partner))


class RandomPairs(MatchedPairs):
    """Positions are matched at random, for each pair anew."""

    def move(self, anchor: Tensor, partner: Tensor) -> Tensor:
        """Permute the positions of each partner."""
        keys = torch.rand(len(partner), 1, partner[0, 0].numel(),
                          device=partner.device)
        order = keys.argsort(2).expand(-1, partner.shape[1], -1)
        return partner.flatten(2).gather(2, order).view_as(partner)


class CommonPairs(MatchedPairs):
    """Positions are matched at random, alike for all pairs of a batch."""

    def move(self, anchor: Tensor, partner: Tensor) -> Tensor:
        """Permute the positions of all partners."""
        order = torch.randperm(partner[0, 0].numel(), device=partner.device)
        return partner.flatten(2)[..., order].view_as(partner)


class TransportedPairs(MatchedPairs):
    """The paper's plan, with ``eps`` and a prior relative to the costs."""

    def move(self, anchor: Tensor, partner: Tensor) -> Tensor:
        """Align each partner."""
        cost = pairwise_cost(anchor.detach().flatten(2),
                             partner.detach().flatten(2))
        cost = cost / cost.mean((1, 2), keepdim=True).clamp(min=1e-30)
        if self.prior:
            cost = cost + self.prior * _distances(anchor)
        moved = align(partner.flatten(2), assignment(cost, self.eps))
        return moved.view_as(partner)


def _distances(x: Tensor) -> Tensor:
    """Squared distances on the grid over their mean, ``(H W, H W)``."""
    rows, columns = (torch.arange(float(n), device=x.device)
                     for n in x.shape[2:])
    points = torch.cartesian_prod(rows, columns)
    squared = (points[:, None] - points).square().sum(-1)
    return squared / squared.mean()


MATCHES = dict(random=RandomPairs, common=CommonPairs,
               transport=TransportedPairs)


@BATCH_AUGMENTS.register_module()
class MatchedAlignMix(AlignMix):
    """AlignMix whose positions are matched in another way.

    Args:
        match (str): A key of ``MATCHES``.
        eps (float): See :class:`MatchedPairs`. Defaults to 0.1.
        prior (float): See :class:`MatchedPairs`. Defaults to 0.
        **kwargs: Arguments of :class:`AlignMix`.
    """

    def __init__(self, match: str, eps: float = .1, prior: float = 0.,
                 **kwargs) -> None:
        super().__init__(**kwargs)
        self.match = MATCHES[match]
        self.eps, self.prior = eps, prior

    def plan(self, images: Tensor, scores: Tensor, draws: Draws) -> MixPlan:
        """Draw what AlignMix draws, and match otherwise."""
        return super().plan(images, scores, draws).map_mixtures(
            lambda pairs: self.match(pairs.lam, pairs.perm, pairs.swap,
                                     self.eps, self.prior))
