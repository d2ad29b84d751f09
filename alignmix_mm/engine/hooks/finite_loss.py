"""A guard against training on what is not a number."""
import logging
import math

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch import Tensor

_ACTIONS = ('stop', 'skip')


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Never update parameters by a loss that is NaN or infinite.

    The loss is looked at before the gradient is computed. MMEngine reads its
    value in every step anyway, to log it.

    Args:
        action (str): ``'stop'`` the run with an error that names the step,
            or ``'skip'`` the batch, on all ranks. Defaults to ``'stop'``.
        max_skipped (int): Number of batches, one after the other, behind
            which skipping stops the run too. Defaults to 20.

    Raises:
        ValueError: If an argument is out of range.
    """

    priority = 'VERY_HIGH'

    def __init__(self, action: str = 'stop', max_skipped: int = 20) -> None:
        if action not in _ACTIONS or max_skipped < 1:
            raise ValueError(
                f'Expected `action` to be one of {list(_ACTIONS)} and '
                f'`max_skipped` >= 1, but got {action!r} and {max_skipped}.')
        self.action = action
        self.max_skipped = max_skipped
        self._skipped = 0
        self._batch: dict | None = None

    def before_train(self, runner: Runner) -> None:
        """Stand between the loss and the optimizer.

        Args:
            runner (Runner): The runner.
        """
        wrapper = runner.optim_wrapper
        if not isinstance(wrapper, OptimWrapper):
            return  # of several networks, which update one after the other
        update = wrapper.update_params

        def update_params(loss: Tensor, *args, **kwargs) -> None:
            if self._is_finite(loss):
                self._skipped = 0
                update(loss, *args, **kwargs)
            else:
                self._handle(runner, loss)

        wrapper.update_params = update_params

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | None = None) -> None:
        """Keep the batch, to look at it if the loss is not finite.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch.
            data_batch (dict, optional): The batch. Defaults to None.
        """
        self._batch = data_batch

    @torch.compiler.disable
    def _is_finite(self, loss: Tensor) -> bool:
        bad = (~torch.isfinite(loss.detach())).any().float()
        if self.action == 'skip':  # on no rank, or on all of them
            all_reduce(bad, 'max')
        return not bool(bad)

    def _handle(self, runner: Runner, loss: Tensor) -> None:
        value = float(loss.detach())
        step = f'in step {runner.iter + 1} (epoch {runner.epoch + 1})'
        text = (f'The loss of another rank is not finite {step}.'
                if math.isfinite(value) else f'The loss is {value:g} {step}. '
                + _reason(runner.model, self._batch))
        if self.action == 'stop':
            raise FloatingPointError(
                f'{text} Parameters were not updated; the last checkpoint is '
                'as it was. --on-nan skip leaves out such batches.')
        self._skipped += 1
        if self._skipped >= self.max_skipped:
            raise FloatingPointError(
                f'{text} It is the last of {self._skipped} such batches one '
                'after the other: skipping does not help.')
        print_log(f'{text} The batch is skipped.', logger='current',
                  level=logging.WARNING)


def _reason(model: torch.nn.Module, batch: dict | None) -> str:
    """What is to be seen of the cause."""
    inputs = batch.get('inputs') if isinstance(batch, dict) else None
    images = [inputs] if isinstance(inputs, Tensor) else inputs or []
    bad = [n for n, image in enumerate(images)
           if not bool(torch.isfinite(image).all())]
    if bad:
        return ('The images that were loaded are not finite: numbers '
                f'{bad[:5]} of the batch.')
    names = [name for name, value in model.named_parameters()
             if not bool(torch.isfinite(value).all())]
    if names:
        return f'Parameters are not finite: {", ".join(names[:3])}.'
    return ('Images and parameters are finite, so training diverged here: '
            'lower the learning rate, warm up for longer, or clip gradients '
            '(optim_wrapper.clip_grad=dict(max_norm=5)).')
