"""Store the state of hooks in checkpoints.

MMEngine saves the state of the model, the optimizer and the schedulers, but
not that of hooks. A hook that counts epochs without progress, for example,
would start from zero in a resumed run.
"""
import copy
import logging
import random
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.hooks import EarlyStoppingHook, Hook
from mmengine.logging import print_log
from torch import Tensor, nn

_ATOMS = (bool, int, float, str, np.generic, type(None))
_MAPPINGS = (dict, OrderedDict, Counter, defaultdict)
_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random,
               torch.Generator)
# hooks of these packages store their state elsewhere, or have none
_ROOMS = ('mmengine.hooks.', 'alignmix_mm.engine.')


class HookMemory:
    """Attributes of hooks that change during training.

    If a hook has ``state_dict()`` and ``load_state_dict()``, these are used.
    For other hooks, attributes of plain data (numbers, strings, tensors, and
    dicts, tuples, sets or bounded queues of them) are stored if they changed
    since the start of training; settings from the config do not change. Lists
    are not stored: they often record the run and would grow in each
    checkpoint.

    Args:
        hooks (Sequence[Hook]): Hooks in their state before training.
    """

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self.hooks = dict(_named(hooks))
        self.fresh = {name: _snapshot(hook)
                      for name, hook in self.hooks.items()}
        self._told: set[str] = set()

    def collect(self) -> dict[str, dict]:
        """Collect the present state of the hooks.

        Returns:
            dict: Plain data by name of the hook.
        """
        found = {name: (hook.state_dict() if _has_state(hook) else
                        self._changed(name, hook))
                 for name, hook in self.hooks.items()}
        return {name: state for name, state in found.items() if state}

    def restore(self, saved: dict[str, dict]) -> None:
        """Give hooks the state that :meth:`collect` returned.

        Args:
            saved (dict): State by name of the hook. Names without a hook are
                ignored.
        """
        for name, state in saved.items():
            hook = self.hooks.get(name)
            if hook is None:
                continue
            if _has_state(hook):
                hook.load_state_dict(state)
                continue
            for key, value in state.items():
                setattr(hook, key, _like(getattr(hook, key, None), value))

    def _changed(self, name: str, hook: Hook) -> dict[str, Any]:
        fresh, changed, lost = self.fresh[name], {}, []
        for key, value in vars(hook).items():
            before = fresh.get(key)
            if _is_plain(value):
                if key not in fresh or not same(before, value):
                    changed[key] = _encode(value)
            elif isinstance(value, _GENERATORS) or not same(
                    before, _look_into(value)):
                lost.append(key)
        if lost and name not in self._told:
            self._told.add(name)
            print_log(
                f'Checkpoints do not store {", ".join(lost)} of {name}: only '
                'plain data without lists are stored. If training depends on '
                'it, a resumed run differs. To avoid this, give the hook '
                'state_dict() and load_state_dict().',
                logger='current', level=logging.WARNING)
        return changed


def _named(hooks: Sequence[Hook]) -> Iterator[tuple[str, Hook]]:
    count: Counter[str] = Counter()
    for hook in hooks:
        name = type(hook).__name__
        count[name] += 1
        known = type(hook).__module__.startswith(_ROOMS)
        if not known or _has_state(hook) or type(hook) is EarlyStoppingHook:
            yield (name if count[name] == 1 else f'{name}.{count[name]}'), hook


def _has_state(hook: Hook) -> bool:
    return hasattr(hook, 'state_dict') and hasattr(hook, 'load_state_dict')


def _snapshot(hook: Hook) -> dict[str, Any]:
    if _has_state(hook):
        return {}
    return {key: copy.deepcopy(value) if _is_plain(value) else
            _look_into(value) for key, value in vars(hook).items()}


def _look_into(value: Any) -> tuple[int, dict[str, Any]]:
    """Identity of an object, with its plain attributes or its length."""
    if isinstance(value, (list, deque)):
        return id(value), dict(length=len(value))
    inner = {} if isinstance(value, nn.Module) else getattr(
        value, '__dict__', {})
    return id(value), {key: copy.deepcopy(item) for key, item in inner.items()
                       if isinstance(item, _ATOMS)}


def _is_plain(value: Any, nested: bool = False) -> bool:
    kind = type(value)
    if isinstance(value, (*_ATOMS, Tensor, np.ndarray)):
        return not isinstance(value, nn.Parameter)
    if kind is tuple or not nested and (
            kind is set or kind is deque and value.maxlen is not None):
        return all(_is_plain(item, True) for item in value)
    if kind is dict or not nested and kind in _MAPPINGS:
        return all(isinstance(key, _ATOMS) and _is_plain(item, True)
                   for key, item in value.items())
    return False


def _encode(value: Any) -> Any:
    """A copy in builtin containers; safe loading accepts no others."""
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, (set, deque)):
        return [_encode(item) for item in value]
    if isinstance(value, tuple):
        return tuple(map(_encode, value))
    return copy.deepcopy(value)


def _like(now: Any, saved: Any) -> Any:
    """A saved value, in the type of container that the hook has now."""
    if isinstance(now, Tensor) and now.shape == saved.shape:
        now.data.copy_(saved)  # in place, as there may be other references
        return now
    if isinstance(now, defaultdict):
        return defaultdict(now.default_factory, saved)
    if isinstance(now, deque):
        return deque(saved, now.maxlen)
    if type(now) in (set, Counter, OrderedDict):
        return type(now)(saved)
    return saved


def same(one: Any, other: Any) -> bool:
    """Check whether two states are equal, bit for bit.

    Args:
        one (Any): Plain data.
        other (Any): Plain data.

    Returns:
        bool: Whether types and values are equal.
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        return one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(
            same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple, deque)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other
