"""What alignment changes in an embedding."""
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import torch
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..mixing import MixPlan
from ..ops import TransportInfo, assignment, pairwise_cost
from .mixer import MapMixer
from .shapes import Features

NO_EFFECT = 1e-3
LATER = 100  # batches mixed at a place


Embed = Callable[[MixPlan], Features]


def alignment_effect(embed: Embed, mixer: MapMixer, plan: MixPlan) -> Tensor:
    r"""Relative difference of embeddings, with and without alignment.

    :math:`\lVert e - e_0 \rVert / \lVert e_0 \rVert`, where :math:`e` are the
    embeddings of a batch that was mixed with alignment, and :math:`e_0` those
    of the same pairs and weights without.

    Args:
        embed (Callable): Mixes by a plan and embeds; without randomness of
            its own.
        mixer (MapMixer): The mixer that ``embed`` uses.
        plan (MixPlan): Pairs, weights and the place.

    Returns:
        Tensor: The difference, ``()``, float32.
    """
    aligned = _last_tensor(embed(plan)).float()
    with mixer.unaligned():
        plain = _last_tensor(embed(plan)).float()
    return (aligned - plain).norm() / plain.norm()


def bypass_share(embed: Embed, mixer: MapMixer, plan: MixPlan) -> Tensor:
    r"""How much of an embedding does not come from what is mixed.

    Maps are replaced by those of the partner (:math:`\lambda = 0`). If all of
    an image passes the place, the embedding is that of the partner. In front
    of a skip connection or in one of several branches it is not: then labels
    are mixed by :math:`\lambda`, but images are not.

    Args:
        embed (Callable): Mixes by a plan and embeds; without randomness of
            its own.
        mixer (MapMixer): The mixer that ``embed`` uses.
        plan (MixPlan): Pairs, and the place.

    Returns:
        Tensor: Difference to the partner's embedding, relative to the norm,
        ``()``, float32. 0, to rounding, if all passes the place.
    """
    nothing = torch.zeros_like(plan.lam)
    with mixer.unaligned():
        taken, own = (
            _last_tensor(embed(replace(plan, mode='feat', lam=lam))).float()
            for lam in (nothing, nothing + 1))
    return (taken - own[plan.perm]).norm() / own.norm()


class Alignment(NamedTuple):
    """How the maps of a batch are aligned.

    Attributes:
        R (Tensor): Assignment of each pair, ``(B, h * w, h * w)``, float32:
            rows are positions of the anchor.
        grid (tuple[int, int]): Rows and columns of the map, h and w.
        info (TransportInfo): Of the transport.
    """

    R: Tensor
    grid: tuple[int, int]
    info: TransportInfo

    @property
    def entropy(self) -> Tensor:
        """Mean entropy of the rows of R, ``(B, )``, in [0, 1].

        0 if each position takes one other, 1 if it takes all alike.
        """
        positions = max(self.R.shape[2], 2)  # log 1 is 0
        return torch.special.entr(self.R).sum(2).mean(1) / math.log(positions)


def measure_alignment(embed: Embed, mixer: MapMixer,
                      plan: MixPlan) -> Alignment | None:
    """Compute the assignments that mixing uses, and does not return.

    Args:
        embed (Callable): Mixes by a plan and embeds.
        mixer (MapMixer): The mixer that ``embed`` uses.
        plan (MixPlan): What ``embed`` mixes.

    Returns:
        Alignment, optional: None if no map is aligned.
    """
    with mixer.observed() as seen:
        embed(plan)
    if not seen:
        return None
    x, eps = seen[0]
    anchors, partners = (part.flatten(2) for part in plan.pair(x))
    R, info = assignment(pairwise_cost(anchors, partners), eps,
                         return_info=True, **mixer.transport)
    return Alignment(R, tuple(x.shape[2:]), info)


class EffectReport:
    """Tells the log what alignment changes: once for each place.

    At the first batch, residual blocks that start as the identity see no
    positions yet. Where alignment changes nothing inside a backbone, it is
    measured a second time, later.
    """

    def __init__(self) -> None:
        self._waits: dict[str, int] = {}

    def __call__(self, place: str | None, measure: Callable[[], Tensor],
                 bypass: Callable[[], Tensor]) -> None:
        """Count a batch that is mixed at a place, and report if it is time.

        Args:
            place (str, optional): Dotted path of the place, None for the
                neck.
            measure (Callable): Returns the effect on this batch, ``()``.
            bypass (Callable): Returns the share of the embedding that goes
                past the place, ``()``.
        """
        name = 'the neck' if place is None else place
        first = name not in self._waits
        self._waits[name] = self._waits.get(name, 0) - 1
        if not first and self._waits[name] != 0:
            return
        effect = float(measure())
        batch = 'first' if first else 'a later'
        text = (f'AlignMix at {name}: alignment changes the embedding by '
                f'{100 * effect:.1f} % (against mixing the same images '
                f'without alignment, {batch} batch).')
        if effect < NO_EFFECT and first and place is not None:
            self._waits[name] = LATER
            text += (' Residual blocks that start as the identity see no '
                     f'positions yet; measured again after {LATER} batches.')
        elif effect < NO_EFFECT:
            text += (
                ' What follows averages over positions, so this is plain '
                'feature mixing. For alignment to matter, mix before a layer '
                "that sees positions, e.g. model.mix_at='layer3' in a "
                'ResNet, or embed with LinearEmbedding.')
        print_log(text, logger='current')
        if first and place is not None:
            self._warn_of_bypass(place, float(bypass()))

    def _warn_of_bypass(self, place: str, share: float) -> None:
        if share > NO_EFFECT:
            print_log(
                f'{100 * share:.1f} % of the embedding goes past '
                f'model.mix_at={place!r}: it is inside of a residual block, '
                'or in one of several branches. Labels are mixed wholly, '
                'images in part. Name a module that everything passes, a '
                'whole block or stage.', logger='current',
                level=logging.WARNING)


@contextmanager
def without_trace(model: nn.Module) -> Iterator[None]:
    """Let forward passes change nothing, and draw nothing.

    Modules are in evaluation mode, but normalise as in training: with the
    statistics of the batch, of this process alone, which are not recorded.
    Nothing is compiled for these few passes.

    Args:
        model (nn.Module): The network.
    """
    training = [(module, module.training) for module in model.modules()]
    buffers = [(module, module.running_mean, module.running_var)
               for module, active in training
               if active and isinstance(module, _BatchNorm)]
    try:
        model.eval()  # LeViT keeps something for it, so no flags are set
        for module, *_ in buffers:
            module.running_mean = module.running_var = None
        with torch.no_grad(), torch.compiler.set_stance('force_eager'):
            yield
    finally:
        for module, active in training:  # parents before their children
            if module.training != active:
                module.train(active)
        for module, mean, var in buffers:
            module.running_mean, module.running_var = mean, var


def _last_tensor(feats: Features) -> Tensor:
    return feats if isinstance(feats, Tensor) else _last_tensor(feats[-1])
