"""What a run needs to go on, beside what MMEngine puts into a checkpoint."""
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
    """Raise if a run cannot go on from a checkpoint.

    Args:
        runner (Runner): The runner.
        checkpoint (Any): What was loaded.

    Raises:
        CheckpointError: If it lacks the state of the optimizer, the step, or
            anything else that training depends on.
    """
    keys = checkpoint if isinstance(checkpoint, dict) else {}
    missing = [key for key in _NEEDED if key not in keys]
    if runner.param_schedulers and 'param_schedulers' not in keys:
        missing.append('param_schedulers')
    if missing:
        raise CheckpointError(
            f'A run cannot be resumed from {runner._load_from}, which has no '
            f'{", ".join(missing)}: it holds weights. Resume from a file such '
            'as epoch_1.pth, or start a new run from these weights: without '
            '--resume, with --cfg-options load_from=FILE.')
    if not {'epoch', 'iter'} <= set(checkpoint['meta']):
        raise CheckpointError(
            f'A run cannot be resumed from {runner._load_from}: its `meta` '
            'does not say the epoch and the iteration.')


def gradients_in_progress(runner: Runner) -> dict[str, Any]:
    """Gradients that wait for their update, of all processes.

    To be called on all of them.

    Args:
        runner (Runner): The runner.

    Returns:
        dict: ``count`` of the batches so far; if some wait, ``gradients``
        for each process (on the first one only), by names of parameters.
        Empty for several optimizers.
    """
    wrapper = runner.optim_wrapper
    if not isinstance(wrapper, OptimWrapper):
        if any(each._accumulative_counts > 1 for each in wrapper.values()):
            print_log('Gradients that several optimizers accumulate are not '
                      'in the checkpoint: a resumed run differs unless their '
                      'counts divide the interval of checkpoints.',
                      logger='current', level=logging.WARNING)
        return {}
    state: dict[str, Any] = dict(count=wrapper.inner_count)
    if not wrapper.should_update():
        own = {name: parameter.grad.cpu()
               for name, parameter in unwrap(runner.model).named_parameters()
               if parameter.grad is not None}
        state['gradients'] = gather_object(own)
        if getattr(runner.model, 'find_unused_parameters', False):
            print_log('With find_unused_parameters, DDP does not say which '
                      'gradients that wait for their update it would average: '
                      'a resumed run differs unless accumulative_counts '
                      'divides the interval of checkpoints.',
                      logger='current', level=logging.WARNING)
    return state


def restore_gradients(runner: Runner, state: dict[str, Any]) -> None:
    """Go on with gradients that wait for their update.

    Args:
        runner (Runner): The runner.
        state (dict): Of :func:`gradients_in_progress`.
    """
    if not state:
        return
    wrapper = runner.optim_wrapper
    wrapper._inner_count = state['count']
    everyone = state.get('gradients')
    if everyone is None:
        return
    if len(everyone) != get_world_size():
        print_log(f'Gradients of {len(everyone)} processes waited for their '
                  'update when the checkpoint was written. They are left out, '
                  f'as there are {get_world_size()} now.', logger='current',
                  level=logging.WARNING)
        return
    own = everyone[get_rank()]
    for name, parameter in unwrap(runner.model).named_parameters():
        if name in own:
            parameter.grad = own[name].to(parameter)
    print_log('Gradients that waited for their update were resumed too: none '
              'is lost.', logger='current')


def validation_is_due(runner: Runner) -> int | None:
    """The epoch or iteration after which the loop validates, if it is now.

    Args:
        runner (Runner): A runner that is about to train on.

    Returns:
        int, optional: None if training goes on without.
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
    """Epochs that are done, or iterations if the loop counts those."""
    return (runner.epoch if isinstance(runner.train_loop, EpochBasedTrainLoop)
            else runner.iter)


def find_not_finite(tensors: Iterable[tuple[str, Tensor]]) -> list[str]:
    """Names of tensors that are not finite.

    Args:
        tensors (Iterable[tuple[str, Tensor]]): Names and tensors, of any
            device.

    Returns:
        list[str]: In the given order.
    """
    named = [(name, torch.isfinite(value.detach()).all())
             for name, value in tensors]
    if not named or bool(torch.stack([flag.to(named[0][1].device)
                                      for _, flag in named]).all()):
        return []  # the device has been waited for once
    return [name for name, flag in named if not bool(flag)]


def unwrap(model: nn.Module) -> nn.Module:
    """The model in the wrapper for several processes."""
    return model.module if is_model_wrapper(model) else model
