"""The batch augmentation that draws the plan."""
import logging
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.logging import MessageHub, print_log
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor

from .plan import MODES, MixBatch, MixPlan

STEP_KEY = 'alignmix_step'


@BATCH_AUGMENTS.register_module()
class AlignMix:
    r"""Draw what AlignMix mixes in this step, and mix labels and pixels.

    The batch augmentation of `AlignMixup: Improving Representations By
    Interpolating Aligned Features <https://arxiv.org/abs/2103.15375>`_,
    Algorithm 1. For every batch one of the modes is drawn; images are mixed
    here, embeddings and feature maps by the model, which must be an
    ``AlignMixClassifier``. Labels are mixed here for all of them.

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
        mode_seed (int): Seed of the sequence of modes and places. It is no
            part of torch's seed, because all ranks must draw the same ones,
            whatever their seeds are. Defaults to 0.

    Note:
        Step ``n`` draws mode and place from ``(mode_seed, n)``, and
        :math:`\lambda` and the permutation from ``(torch's seed, rank, n)``.
        ``n`` is kept in MMEngine's ``MessageHub``, which checkpoints store:
        a resumed run continues the sequence.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self,
                 alpha: float = 2.0,
                 modes: Sequence[str] = ('input', 'embed', 'feat',
                                         'feat_swap'),
                 probs: Sequence[float] | None = None,
                 lam_per: str = 'sample',
                 mode_seed: int = 0) -> None:
        if not isinstance(alpha, (int, float)) or not 0 < alpha < np.inf:
            raise ValueError(f'Expected `alpha` to be > 0, but got {alpha!r}.')
        modes = (modes, ) if isinstance(modes, str) else tuple(modes)
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
                'To leave some batches alone, use `train_cfg=dict(augments='
                '[dict(type="AlignMix")], probs=[0.8])` instead.')
        if lam_per not in ('sample', 'batch'):
            raise ValueError("Expected `lam_per` to be 'sample' or 'batch', "
                             f'but got {lam_per!r}.')
        self.alpha = float(alpha)
        self.modes = modes
        self.probs = np.asarray(probs, dtype=np.float64) / sum(probs)
        self.lam_per = lam_per
        self.mode_seed = mode_seed
        self._warned_batch = False

    @torch.compiler.disable
    def draw(self, batch_size: int, device: torch.device | str) -> MixPlan:
        """Draw the plan of the next step.

        Args:
            batch_size (int): Number of samples, B.
            device (torch.device | str): Where its tensors are needed. They
                are drawn on the CPU, so a seed means the same everywhere.

        Returns:
            MixPlan: Mode, lambda, permutation and place.
        """
        hub = MessageHub.get_current_instance()
        step = hub.runtime_info.get(STEP_KEY, 0)
        hub.update_info(STEP_KEY, step + 1)
        shared = np.random.default_rng((self.mode_seed, step))
        own = np.random.default_rng((torch.initial_seed(), get_rank(), step))
        size = batch_size if self.lam_per == 'sample' else None
        lam = np.float32(own.beta(self.alpha, self.alpha, size))
        perm = own.permutation(batch_size)
        return MixPlan(
            mode=self.modes[shared.choice(len(self.modes), p=self.probs)],
            lam=torch.as_tensor(lam).to(device, non_blocking=True),
            perm=torch.from_numpy(perm).to(device, non_blocking=True),
            place=shared.random())

    def __call__(self, batch_inputs: Tensor,
                 batch_score: Tensor) -> tuple[MixBatch, Tensor]:
        """Draw a plan, mix labels, and pixels if the plan says so.

        Args:
            batch_inputs (Tensor): Images, ``(N, C, H, W)``.
            batch_score (Tensor): One-hot or soft labels,
                ``(N, num_classes)``.

        Returns:
            tuple[MixBatch, Tensor]: Images with their plan, and the labels
            that the model is trained with, ``(N, num_classes)``, float32.
        """
        if batch_score.ndim != 2:
            raise ValueError(
                'Expected `batch_score` to be one-hot labels (N, num_classes),'
                f' but got shape {tuple(batch_score.shape)}.')
        if len(batch_inputs) <= 2:
            self._warn_small_batch(len(batch_inputs))
        plan = self.draw(len(batch_inputs), batch_inputs.device)
        scores = batch_score.float()
        if plan.mode != 'clean':
            scores = plan.mix(scores)
        if plan.mode == 'input':
            batch_inputs = plan.mix(batch_inputs)
        return MixBatch(batch_inputs, plan), scores

    def _warn_small_batch(self, size: int) -> None:
        if not self._warned_batch:
            print_log(
                f'AlignMix got a batch of {size}: there is hardly a partner '
                'to mix with, and so small a last batch spoils the statistics '
                'of BatchNorm. Set `train_dataloader.drop_last=True`.',
                logger='current',
                level=logging.WARNING)
        self._warned_batch = True
