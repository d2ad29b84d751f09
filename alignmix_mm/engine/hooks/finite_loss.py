"""Guard against training on a loss or gradient that is not finite."""
import functools
import logging
import math

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch import Tensor

_ACTIONS = ('stop', 'skip')


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Never update parameters by a loss or gradient that is not finite.

    Both are checked together before the optimizer's step. This adds no wait
    for the device, since MMEngine reads the loss in every step to log it. With
    a gradient scaler, which checks gradients itself and lowers its scale, only
    the loss is checked.

    Args:
        action (str): ``'stop'`` ends the run with an error that names the
            step. ``'skip'`` skips the batch on all ranks and restores
            buffers, such as the statistics of BatchNorm; accumulated
            gradients of the same update are discarded with it. Defaults to
            ``'stop'``.
        max_skipped (int): Consecutive skips before training stops. Defaults
            to 20.

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
        self._buffers: list[tuple[Tensor, Tensor]] = []

    def state_dict(self) -> dict[str, int]:
        """State for a resumed run: the number of consecutive skips."""
        return dict(skipped=self._skipped)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue counting from a state.

        Args:
            state (dict): Result of :meth:`state_dict`.
        """
        self._skipped = state['skipped']

    def before_train(self, runner: Runner) -> None:
        """Insert the check between the gradient and the optimizer.

        Args:
            runner (Runner): The runner.
        """
        wrapper = runner.optim_wrapper
        if not isinstance(wrapper, OptimWrapper):
            return  # several optimizers, which update one after the other
        backward, step = wrapper.backward, wrapper.step
        scaler = getattr(wrapper, 'loss_scaler', None)
        scaled = scaler is not None and scaler.is_enabled()

        def checked_backward(loss: Tensor, **kwargs) -> None:
            backward(loss, **kwargs)
            bad_loss, self._bad = self._find_bad(
                loss, [] if scaled else _gradients(wrapper.optimizer))
            if self._bad:
                self._handle(runner, loss, bad_loss)
            else:
                self._skipped = 0

        @functools.wraps(step)  # schedulers count by an attribute of step
        def checked_step(**kwargs) -> None:
            if not self._bad:
                step(**kwargs)

        wrapper.backward, wrapper.step = checked_backward, checked_step
        if self.action == 'skip':
            self._buffers = [(buffer, buffer.clone())
                             for buffer in runner.model.buffers()]

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | None = None) -> None:
        """Keep what is needed in case the batch is bad.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch.
            data_batch (dict, optional): The batch. Defaults to None.
        """
        self._batch = data_batch
        for buffer, kept in self._buffers:
            kept.copy_(buffer)

    @torch.compiler.disable
    def _find_bad(self, loss: Tensor,
                  gradients: list[Tensor]) -> tuple[bool, bool]:
        """Whether a loss, and whether a loss or gradient is not finite."""
        bad_loss = (~torch.isfinite(loss.detach())).any()
        bad = bad_loss
        if gradients:  # largest values, because sums can overflow
            largest = torch._foreach_norm(gradients, ord=math.inf)
            largest = [norm.to(loss.device).float() for norm in largest]
            bad = bad | ~torch.isfinite(torch.stack(largest)).all()
        found = torch.stack([bad_loss, bad]).float()
        if self.action == 'skip':  # on all ranks or on none
            all_reduce(found, 'max')
        return tuple(map(bool, found.tolist()))

    def _handle(self, runner: Runner, loss: Tensor, bad_loss: bool) -> None:
        text = _describe(runner, loss, self._batch, bad_loss)
        runner.optim_wrapper.zero_grad()
        if self.action == 'stop':
            raise FloatingPointError(
                f'{text} Parameters were not updated; the last checkpoint is '
                'unchanged. --on-nan skip skips such batches.')
        for buffer, kept in self._buffers:
            buffer.copy_(kept)
        self._skipped += 1
        if self._skipped >= self.max_skipped:
            raise FloatingPointError(
                f'{text} This is the last of {self._skipped} consecutive '
                'batches like this, so skipping does not help.')
        print_log(f'{text} The batch is skipped.', logger='current',
                  level=logging.WARNING)


def _gradients(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    found = (parameter.grad for group in optimizer.param_groups
             for parameter in group['params'])
    found = (grad.coalesce().values() if grad.is_sparse else grad
             for grad in found if grad is not None)
    return [grad for grad in found if grad.numel()]


def _describe(runner: Runner, loss: Tensor, batch: dict | None,
              bad_loss: bool) -> str:
    """Describe the step and the likely cause.

    DDP averages gradients, so the loss of one rank spoils them on all.
    """
    step = f'in step {runner.iter + 1} (epoch {runner.epoch + 1})'
    value = float(loss.detach())
    if not math.isfinite(value):
        return f'The loss is {value:g} {step}. ' + _reason(runner.model, batch)
    if bad_loss:
        return f'The loss of another rank is not finite {step}.'
    names = [name for name, parameter in runner.model.named_parameters()
             if parameter.grad is not None
             and not bool(torch.isfinite(parameter.grad).all())]
    if not names:
        return f'A gradient of another rank is not finite {step}.'
    several = (' Or the loss of another rank is not finite.'
               if get_world_size() > 1 else '')
    return (f'The loss is finite {step}, but its gradient is not: '
            f'{", ".join(names[:3])}. Either training diverges, or a function '
            'has no derivative there, such as a root, norm or logarithm of 0.'
            + several)


def _reason(model: torch.nn.Module, batch: dict | None) -> str:
    """Describe the likely cause of a loss that is not finite."""
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
