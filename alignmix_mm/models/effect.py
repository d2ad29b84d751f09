"""How much alignment changes an embedding."""
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..mixing import Alignment, MixBatch, MixPlan, Mixture, Pairs
from .shapes import Features
from .trace import without_trace

Embed = Callable[[MixPlan], Features]


class MeasuresAlignment:
    """Measurements of a classifier that executes plans.

    They run batches again, without leaving a trace in the network.
    """

    def measure_effect(self, batch: MixBatch) -> Tensor:
        """How much alignment changes the embeddings of a batch.

        Args:
            batch (MixBatch): Images with a plan that mixes features.

        Returns:
            Tensor: See :func:`alignment_effect`, ``()``, float32.
        """
        return self._measure(alignment_effect, batch)

    def measure_bypass(self, batch: MixBatch) -> Tensor:
        """How much of the embeddings bypasses the place where maps are mixed.

        Args:
            batch (MixBatch): Images with a plan that mixes features.

        Returns:
            Tensor: See :func:`bypass_share`, ``()``, float32.
        """
        return self._measure(bypass_share, batch, len(batch.images),
                             batch.images.device)

    def measure_alignment(self, batch: MixBatch) -> Alignment | None:
        """How the positions of a batch are matched, for logs and pictures.

        It runs a forward pass that leaves no trace in the network.

        Args:
            batch (MixBatch): Images with a plan.

        Returns:
            Alignment, optional: None if the plan aligns no map.
        """
        plan = self._complete_options(batch)
        if not any(mixture is not None and mixture.aligns
                   for mixture in (plan.features, plan.embedding)):
            return None
        found = self._measure(measure_alignment, batch)
        return found and found._replace(
            place=self.places.choose(plan) or 'the neck')

    def _measure(self, function: Callable, batch: MixBatch, *args) -> Any:
        def embed(plan: MixPlan) -> Features:
            # without the hooks of users, which count or record passes
            return self._embed(*self.places.run(
                self.backbone.forward, self.backbone, batch.images, plan))

        with without_trace(self):
            return function(embed, self._complete_options(batch), *args)


def alignment_effect(embed: Embed, plan: MixPlan) -> Tensor:
    r"""Relative difference of embeddings with and without alignment.

    :math:`\lVert e - e_0 \rVert / \lVert e_0 \rVert`, where :math:`e` are the
    embeddings of a batch that was mixed with alignment, and :math:`e_0` those
    of the same pairs and weights without alignment.

    Args:
        embed (Callable): Mixes by a plan and embeds, without random choices
            of its own.
        plan (MixPlan): Pairs, weights and the place.

    Returns:
        Tensor: The difference, ``()``, float32.
    """
    aligned = _last_tensor(embed(plan)).float()
    plain = _last_tensor(
        embed(plan.map_mixtures(lambda mixture: mixture.unaligned()))).float()
    return (aligned - plain).norm() / plain.norm()


def bypass_share(embed: Embed, plan: MixPlan, batch_size: int,
                 device: torch.device) -> Tensor:
    r"""How much of an embedding does not come from the place of a plan.

    The map of each sample at the place is replaced by that of another sample.
    If all features pass the place, the embedding becomes that of the other
    sample. At a place inside a residual block or in one of several branches
    it does not: there labels would be mixed by :math:`\lambda`, but images
    would not.

    Args:
        embed (Callable): Mixes by a plan and embeds, without random choices
            of its own.
        plan (MixPlan): A plan with the place.
        batch_size (int): Number of samples, at least 2.
        device (torch.device): Device of the samples.

    Returns:
        Tensor: Difference from the other samples' embeddings, relative to
        their norm, ``()``, float32. 0, up to rounding, if all features pass
        the place.
    """
    others = torch.arange(batch_size, device=device).roll(1)
    taken, own = (
        _last_tensor(embed(plan.map_mixtures(
            lambda _, lam=lam: Pairs(torch.full((), lam, device=device),
                                     others)))).float()
        for lam in (0., 1.))
    return (taken - own[others]).norm() / own.norm()


class _Recorder(Mixture):
    """Mixes like another mixture, and keeps the maps that it gets."""

    def __init__(self, mixture: Mixture, seen: list[tuple[Mixture, Tensor]]
                 ) -> None:
        self.mixture = mixture
        self.aligns = mixture.aligns
        self.seen = seen

    def shares(self) -> tuple[Tensor, Tensor]:
        return self.mixture.shares()

    def __call__(self, x: Tensor) -> Tensor:
        return self.mixture(x)

    def mix_map(self, x: Tensor) -> Tensor:
        self.seen.append((self.mixture, x.detach()))
        return self.mixture.mix_map(x)

    def mix_parts(self, parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        if parts[0].ndim == 4:
            self.seen.append((self.mixture, parts[0].detach()))
        return self.mixture.mix_parts(parts)


def measure_alignment(embed: Embed, plan: MixPlan) -> Alignment | None:
    """Compute the assignments that mixing uses but does not return.

    Args:
        embed (Callable): Mixes by a plan and embeds.
        plan (MixPlan): The plan, with all options.

    Returns:
        Alignment, optional: None if no map is aligned.
    """
    seen: list[tuple[Mixture, Tensor]] = []
    embed(plan.map_mixtures(lambda mixture: _Recorder(mixture, seen)))
    return seen[0][0].measure(seen[0][1]) if seen else None


def _last_tensor(feats: Features) -> Tensor:
    return feats if isinstance(feats, Tensor) else _last_tensor(feats[-1])
