"""State of a run that MMEngine does not put into a checkpoint."""
import logging
from collections.abc import Iterable
from typing import Any

import torch
from mmengine.dist import gather_object, get_rank, get_world_size
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import Tensor, nn

from .reading import CheckpointError

_NEEDED = ('meta', 'state_dict', 'message_hub', 'optimizer')


def require_resumable(runner: Runner, checkpoint: Any) -> None:
    """Raise an error if a run cannot continue from a checkpoint.

    Args:
        runner (Runner): The runner.
        checkpoint (Any): The loaded checkpoint.

    Raises:
        CheckpointError: If it lacks the state of the optimizer, the step, or
            another entry that training depends on.
    """
    keys = checkpoint if isinstance(checkpoint, dict) else {}
    missing = [key for key in _NEEDED if key not in keys]
    if runner.param_schedulers and 'param_schedulers' not in keys:
        missing.append('param_schedulers')
    if missing:
        raise CheckpointError(
            f'A run cannot be resumed from {runner._load_from}, which has no '
            f'{", ".join(missing)}: it holds weights only. Resume from a file '
            'such as epoch_1.pth, or start a new run from these weights: '
            'replace --resume by --cfg-options load_from=FILE.')
    if not {'epoch', 'iter'} <= set(checkpoint['meta']):
        raise CheckpointError(
            f'A run cannot be resumed from {runner._load_from}: its `meta` '
            'lacks `epoch` or `iter`. Resume from a file such as epoch_1.pth.')


def gradients_in_progress(runner: Runner) -> dict[str, Any]:
    """Collect accumulated gradients that have not been applied yet.

    All processes have to call this function.

    Args:
        runner (Runner): The runner.

    Returns:
        dict: ``count``, the number of batches so far. If gradients are
        pending, the first process also gets ``gradients``, a list with one
        dict per process, from parameter names to tensors. Empty with several
        optimizers.
    """
    wrapper = runner.optim_wrapper
    if not isinstance(wrapper, OptimWrapper):
        if any(each._accumulative_counts > 1 for each in wrapper.values()):
            print_log('Checkpoints do not store the gradients that several '
                      'optimizers accumulate. A resumed run differs unless '
                      'the interval between checkpoints is a multiple of each '
                      'accumulative_counts.',
                      logger='current', level=logging.WARNING)
        return {}
    state: dict[str, Any] = dict(count=wrapper.inner_count)
    if not wrapper.should_update():
        own = {name: parameter.grad.cpu()
               for name, parameter in unwrap(runner.model).named_parameters()
               if parameter.grad is not None}
        state['gradients'] = gather_object(own)
        if getattr(runner.model, 'find_unused_parameters', False):
            print_log('With find_unused_parameters, DDP does not reveal which '
                      'accumulated gradients it would average. A resumed run '
                      'differs unless the interval between checkpoints is a '
                      'multiple of accumulative_counts.',
                      logger='current', level=logging.WARNING)
    return state


def restore_gradients(runner: Runner, state: dict[str, Any]) -> None:
    """Restore accumulated gradients that have not been applied yet.

    Args:
        runner (Runner): The runner.
        state (dict): Result of :func:`gradients_in_progress`.
    """
    if not state:
        return
    wrapper = runner.optim_wrapper
    wrapper._inner_count = state['count']
    everyone = state.get('gradients')
    if everyone is None:
        return
    if len(everyone) != get_world_size():
        print_log(f'The checkpoint has accumulated gradients of '
                  f'{len(everyone)} processes. They are left out, because '
                  f'there are {get_world_size()} processes now.',
                  logger='current', level=logging.WARNING)
        return
    own = everyone[get_rank()]
    for name, parameter in unwrap(runner.model).named_parameters():
        if name in own:
            parameter.grad = own[name].to(parameter)
    print_log('Accumulated gradients were restored from the checkpoint.',
              logger='current')


def validation_is_due(runner: Runner) -> int | None:
    """Check whether the loop should validate before it trains on.

    Args:
        runner (Runner): A runner that is about to continue training.

    Returns:
        int, optional: The epochs or iterations done, if a validation is due
        after them; otherwise None.
    """
    loop = runner.train_loop
    if runner.val_loop is None or not hasattr(loop, 'val_begin'):
        return None
    loop._decide_current_val_interval()
    done = progress(runner)
    last = (loop.max_epochs if isinstance(loop, EpochBasedTrainLoop) else
            loop.max_iters)
    due = done >= max(loop.val_begin, 1) and (
        done % loop.val_interval == 0 or done == last)
    return done if due else None


def progress(runner: Runner) -> int:
    """Number of finished epochs, or iterations if the loop counts those."""
    return (runner.epoch if isinstance(runner.train_loop, EpochBasedTrainLoop)
            else runner.iter)


def find_not_finite(tensors: Iterable[tuple[str, Tensor]]) -> list[str]:
    """Find tensors with values that are not finite.

    Args:
        tensors (Iterable[tuple[str, Tensor]]): Names and tensors, on any
            device.

    Returns:
        list[str]: Their names, in the given order.
    """
    named = [(name, torch.isfinite(value.detach()).all())
             for name, value in tensors]
    if not named or bool(torch.stack([flag.to(named[0][1].device)
                                      for _, flag in named]).all()):
        return []  # with a single wait for the device
    return [name for name, flag in named if not bool(flag)]


def unwrap(model: nn.Module) -> nn.Module:
    """The model without its wrapper for several processes."""
    return model.module if is_model_wrapper(model) else model
