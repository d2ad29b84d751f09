"""Mixing that changes in the course of training."""
import math
from collections.abc import Mapping

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import IterBasedTrainLoop, Runner
from mmpretrain.registry import HOOKS
from torch import Tensor

from ._observer import find_method


@HOOKS.register_module()
class MixSchedule(Hook):
    r"""Train the last epochs without mixing, or change alpha.

    What an epoch is trained with depends on its number alone, so a resumed
    run goes on as it would have.

    Args:
        off_last (int): Number of epochs at the end that are trained without
            any batch augmentation. Defaults to 0.
        alphas (Mapping[int, float], optional): :math:`\alpha` of the first
            method, such as AlignMix, from an epoch on, e.g. ``{100: 1.0}``;
            epochs count from 0. Before the first of them, it is that of the
            config. Defaults to None.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> custom_hooks = [dict(type='MixSchedule', off_last=10)]
    """

    def __init__(self, off_last: int = 0,
                 alphas: Mapping[int, float] | None = None) -> None:
        alphas = {int(epoch): float(alpha)
                  for epoch, alpha in (alphas or {}).items()}
        if not off_last >= 0 or any(
                epoch < 0 or not 0 < alpha < math.inf
                for epoch, alpha in alphas.items()):
            raise ValueError(
                'Expected `off_last` >= 0 epochs and `alphas` > 0, and '
                f'finite, from epochs >= 0 on, but got {off_last} and '
                f'{alphas}.')
        if not off_last and not alphas:
            raise ValueError('MixSchedule changes nothing: give `off_last`, '
                             '`alphas` or both.')
        self.off_last = off_last
        self.alphas = alphas

    def before_train(self, runner: Runner) -> None:
        """Keep what the config says.

        Args:
            runner (Runner): The runner.

        Raises:
            ValueError: If there is nothing to change, if the loop counts no
                epochs, or if what is to change comes after its last one.
        """
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            raise ValueError(
                'MixSchedule counts epochs, but training is by iterations, '
                'which is one epoch for MMEngine. Set `train_cfg.by_epoch` to '
                'True, or leave the hook out.')
        self._check_epochs(runner)
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        self._preprocessor = model.data_preprocessor
        self._augments = getattr(self._preprocessor, 'batch_augments', None)
        self._augment = find_method(model)
        if self._augments is None or (
                self.alphas and not hasattr(self._augment, 'alpha')):
            what = ('AlignMix or other method with `alpha`' if self.alphas
                    else 'batch augmentation')
            raise ValueError(
                f'MixSchedule found no {what} in `model.train_cfg.augments`: '
                'add dict(type="AlignMix"), or leave the hook out.')
        self._alpha = getattr(self._augment, 'alpha', None)

    def _check_epochs(self, runner: Runner) -> None:
        total = runner.max_epochs
        if self.off_last > total:
            raise ValueError(
                f'MixSchedule is to train the last {self.off_last} epochs '
                f'without mixing, but the run has {total}. Lower `off_last`.')
        late = [epoch for epoch in self.alphas if epoch >= total]
        if late:
            steps = len(runner.train_loop.dataloader)
            raise ValueError(
                f'MixSchedule is to change alpha at epoch {min(late)}, but '
                f'the run has {total} epochs, which count from 0. If you gave '
                f'iterations: an epoch has {steps}.')

    def before_train_epoch(self, runner: Runner) -> None:
        """Set what this epoch is trained with.

        Args:
            runner (Runner): The runner.
        """
        off = runner.epoch >= runner.max_epochs - self.off_last
        augments = _unmixed if off else self._augments
        if augments is not self._preprocessor.batch_augments:
            print_log('Mixing is switched off for the last '
                      f'{runner.max_epochs - runner.epoch} epochs.',
                      logger='current')
        self._preprocessor.batch_augments = augments
        passed = [epoch for epoch in self.alphas if epoch <= runner.epoch]
        if self.alphas:
            self._augment.alpha = (self.alphas[max(passed)] if passed else
                                   self._alpha)


def _unmixed(images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Leave a batch as it is, with the soft labels that the loss expects."""
    return images, scores.float()
