"""AlignMix: the paper's method."""
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor

from ..ops.options import TransportOptions
from .aligned import AlignedPairs
from .draws import Draws
from .method import MixMethod, check_alpha, check_seed
from .pairs import Pairs, draw_pairs
from .plan import MixPlan

Where = dict[str, Any]  # of a MixPlan: at, place


def _input(pairs: Pairs, transport: TransportOptions | None,
           where: Where) -> MixPlan:
    return MixPlan('input', labels=pairs, pixels=pairs)


def _embed(pairs: Pairs, transport: TransportOptions | None,
           where: Where) -> MixPlan:
    return MixPlan('embed', labels=pairs, embedding=AlignedPairs(
        pairs.lam, pairs.perm, transport=transport))


def _feat(pairs: Pairs, transport: TransportOptions | None,
          where: Where) -> MixPlan:
    return MixPlan('feat', labels=pairs, features=AlignedPairs(
        pairs.lam, pairs.perm, transport=transport), **where)


def _feat_swap(pairs: Pairs, transport: TransportOptions | None,
               where: Where) -> MixPlan:
    swapped = AlignedPairs(pairs.lam, pairs.perm, True, transport)
    return MixPlan('feat_swap', labels=swapped, features=swapped, **where)


def _clean(pairs: Pairs, transport: TransportOptions | None,
           where: Where) -> MixPlan:
    return MixPlan('clean', classifies=False)


_MODES: dict[str, Callable[..., MixPlan]] = dict(
    input=_input, embed=_embed, feat=_feat, feat_swap=_feat_swap,
    clean=_clean)
MODES = tuple(_MODES)


def alignmix_plan(mode: str, lam: Tensor, perm: Tensor, place: float = 0.0,
                  at: Sequence[str | None] | None = None,
                  transport: TransportOptions | None = None) -> MixPlan:
    r"""The plan of a mode, from its random choices.

    Args:
        mode (str): ``'input'``, ``'embed'``, ``'feat'`` (eq. 12),
            ``'feat_swap'`` (eq. 13, the paper's feat'), or ``'clean'``.
        lam (Tensor): :math:`\lambda`, ``(B, )`` or ``()``, float32.
        perm (Tensor): The permutation :math:`\pi`, ``(B, )``, int64.
        place (float): See :class:`MixPlan`. Defaults to 0.
        at (Sequence[str | None], optional): See :class:`MixPlan`. Defaults
            to None.
        transport (TransportOptions, optional): Options of the transport.
            Defaults to None: the model's options.

    Returns:
        MixPlan: The plan.
    """
    return _MODES[mode](Pairs(lam, perm), transport,
                        dict(at=at, place=place))


@BATCH_AUGMENTS.register_module()
class AlignMix(MixMethod):
    r"""Draw what AlignMix mixes in this step, and mix labels and pixels.

    The batch augmentation of `AlignMixup: Improving Representations By
    Interpolating Aligned Features <https://arxiv.org/abs/2103.15375>`_,
    Algorithm 1. One of the modes is drawn for every batch. Images are mixed
    here, embeddings and feature maps by the model, which must be an
    ``AlignMixClassifier``. Labels are mixed here in every mode.

    Args:
        alpha (float): :math:`\lambda \sim Beta(\alpha, \alpha)`. Defaults to
            2.0.
        modes (Sequence[str]): Modes to draw from: ``'input'``, ``'embed'``,
            ``'feat'`` (eq. 12), ``'feat_swap'`` (eq. 13, the paper's feat')
            and ``'clean'`` (for auto-encoders: nothing is mixed). Defaults
            to ``('input', 'embed', 'feat', 'feat_swap')``.
        probs (Sequence[float], optional): Probability of each mode; must sum
            to 1. Defaults to None, which is uniform.
        lam_per (str): Whether :math:`\lambda` is drawn for each ``'sample'``
            (Algorithm 1, line 9) or once per ``'batch'``. Defaults to
            ``'sample'``.
        mode_seed (int): Seed of modes and places; all ranks draw the same
            ones. Defaults to 0.
        at (str | Sequence[str | None], optional): Where ``'feat'`` and
            ``'feat_swap'`` mix: after the module of the backbone with this
            dotted path, e.g. ``'layer3'``, at the last place where alignment
            matters (``'auto'``), or before the neck (None). Of several
            places, one is drawn in every step. Defaults to None: the model's
            ``mix_at``, which by default is before the neck.
        transport (Mapping, optional): Options of
            :class:`alignmix_mm.ops.options.TransportOptions`, e.g.
            ``dict(eps=0.1)``. Defaults to None: the model's options.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> augments = [dict(type='AlignMix', at='layer3',
        ...                  transport=dict(eps=0.1))]
    """

    def __init__(self,
                 alpha: float = 2.0,
                 modes: Sequence[str] = ('input', 'embed', 'feat',
                                         'feat_swap'),
                 probs: Sequence[float] | None = None,
                 lam_per: str = 'sample',
                 mode_seed: int = 0,
                 at: str | Sequence[str | None] | None = None,
                 transport: Mapping[str, Any] | None = None) -> None:
        modes = (modes, ) if isinstance(modes, str) else tuple(modes)
        self.probs = _check_modes(modes, probs)
        if lam_per not in ('sample', 'batch'):
            raise ValueError("Expected `lam_per` to be 'sample' or 'batch', "
                             f'but got {lam_per!r}.')
        if at is not None and not at:
            raise ValueError('Expected `at` to name a place, but got none.')
        self.alpha = check_alpha(alpha)
        self.modes = modes
        self.lam_per = lam_per
        self.seed = check_seed(mode_seed, 'mode_seed')
        self.at = (at, ) if isinstance(at, str) else at and tuple(at)
        self.transport = (None if transport is None else
                          TransportOptions(**transport))
        self.reconstructs = 'clean' in modes

    def plan(self, images: Tensor, scores: Tensor,
             draws: Draws) -> MixPlan:
        """Draw mode, lambda, permutation and place.

        Args:
            images (Tensor): ``(B, C, H, W)``, floating point.
            scores (Tensor): ``(B, num_classes)``, float32.
            draws (Draws): Generators.

        Returns:
            MixPlan: The plan.
        """
        pairs = draw_pairs(draws.own, self.alpha, images,
                           per_batch=self.lam_per == 'batch')
        mode = self.modes[draws.shared.choice(len(self.modes), p=self.probs)]
        return alignmix_plan(mode, pairs.lam, pairs.perm,
                             draws.shared.random(), self.at, self.transport)


def _check_modes(modes: tuple[str, ...],
                 probs: Sequence[float] | None) -> np.ndarray:
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown or not modes:
        raise ValueError(f'Expected `modes` to be some of {list(MODES)}, '
                         f'but got {list(modes)}.')
    if probs is None:
        probs = [1 / len(modes)] * len(modes)
    if (len(probs) != len(modes) or min(probs) < 0
            or not np.isclose(sum(probs), 1)):
        raise ValueError(
            f'Expected `probs` to be {len(modes)} numbers >= 0 that sum '
            f'to 1, one for each of {list(modes)}, but got {list(probs)}. '
            'To leave some batches unmixed, use `train_cfg=dict(augments='
            '[dict(type="AlignMix")], probs=[0.8])` instead.')
    return np.asarray(probs, dtype=np.float64) / sum(probs)
