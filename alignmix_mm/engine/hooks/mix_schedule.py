"""Change mixing during training."""
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

    The settings of an epoch depend only on its number, so a resumed run
    continues unchanged.

    Args:
        off_last (int): Number of epochs at the end without any batch
            augmentation. Defaults to 0.
        alphas (Mapping[int, float], optional): New :math:`\alpha` of the
            first method, such as AlignMix, by the epoch from which it holds,
            e.g. ``{100: 1.0}``. Epochs count from 0. Before the first of
            them, the value of the config holds. Defaults to None.

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
                'Expected `off_last` >= 0, and finite `alphas` > 0 from '
                f'epochs >= 0 on, but got {off_last} and {alphas}.')
        if not off_last and not alphas:
            raise ValueError('MixSchedule changes nothing: give `off_last`, '
                             '`alphas` or both.')
        self.off_last = off_last
        self.alphas = alphas

    def before_train(self, runner: Runner) -> None:
        """Check the settings, and keep the values of the config.

        Args:
            runner (Runner): The runner.

        Raises:
            ValueError: If there is no method to change, if the loop counts
                iterations, or if a change comes after the last epoch.
        """
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            raise ValueError(
                'MixSchedule counts epochs, but training is by iterations, '
                'which MMEngine treats as one epoch. Set '
                '`train_cfg.by_epoch=True`, or leave the hook out.')
        self._check_epochs(runner)
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        self._preprocessor = model.data_preprocessor
        self._augments = getattr(self._preprocessor, 'batch_augments', None)
        self._augment = find_method(model)
        if self._augments is None or (
                self.alphas and not hasattr(self._augment, 'alpha')):
            what = ('method with `alpha`, such as AlignMix,' if self.alphas
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
                f'MixSchedule changes alpha at epoch {min(late)}, but the run '
                f'has {total} epochs, which count from 0. If you gave '
                f'iterations: an epoch has {steps}.')

    def before_train_epoch(self, runner: Runner) -> None:
        """Apply the settings of this epoch.

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
    """Return a batch unmixed, with the soft labels that the loss expects."""
    return images, scores.float()
