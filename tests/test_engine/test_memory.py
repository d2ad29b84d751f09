"""What hooks remember is found by what training changes."""
import copy
from collections import Counter, OrderedDict, defaultdict, deque

import numpy as np
import pytest
import torch
from mmengine.hooks import EarlyStoppingHook, EMAHook, Hook, IterTimerHook

from alignmix_mm import MixLogHook, ProgressHook
from alignmix_mm.engine import memory as memories
from alignmix_mm.engine.checkpoints import load_checkpoint
from alignmix_mm.engine.memory import HookMemory, same


class Any(Hook):
    """A hook with one attribute, beside what it never changes."""

    def __init__(self, value):
        self.value = copy.deepcopy(value)
        self.constant, self.model = [1, 2], torch.nn.Linear(2, 2)


def memory(old, new):
    """What is kept, through a file, of a hook that changed."""
    hook = Any(old)
    hooks = HookMemory([hook])
    hook.value = copy.deepcopy(new)
    return hooks.collect()


CHANGES = {
    'number': (1, 2.5), 'from nothing': (None, 'text'),
    'numpy': (np.float64(1), np.float32(2)), 'bool': (False, True),
    'not a number': (0., float('-inf')),
    'tuple': ((), (1, ('a', None))),
    'dict': ({}, {'a': (1, ), 2: {'b': None}}),
    'ordered': (OrderedDict(), OrderedDict(b=1, a=2)),
    'counter': (Counter(), Counter('abca')),
    'default': (defaultdict(int), defaultdict(int, a=1)),
    'set': (set(), {1, 2}),
    'queue': (deque(maxlen=2), deque([1, (2, 'x')], 2)),
    'tensor': (torch.zeros(2), torch.ones(2)),
    'larger tensor': (torch.zeros(2), torch.ones(2, 3)),
    'array': (np.zeros(3), np.arange(3.)),
    'tensors': ((), (torch.ones(2), torch.zeros(())))}


@pytest.mark.parametrize('name', CHANGES)
def test_plain_data_come_back(tmp_path, name):
    old, new = CHANGES[name]
    saved = memory(old, new)
    assert saved.keys() == {'Any'} and saved['Any'].keys() == {'value'}
    torch.save(saved, tmp_path / 'file')  # safe loading takes it
    hook = Any(old)
    hooks = HookMemory([hook])
    hooks.restore(load_checkpoint(str(tmp_path / 'file')))
    assert same(hook.value, new) or name == 'from nothing'
    assert getattr(hook.value, 'maxlen', 0) == getattr(new, 'maxlen', 0)
    # what was restored is kept again
    assert same(hooks.collect(), saved)
    if name == 'default':
        assert hook.value['new'] == 0


@pytest.mark.parametrize('name', CHANGES)
def test_what_is_as_before_is_not_kept(name):
    old, _ = CHANGES[name]
    assert memory(old, old) == {}


@pytest.fixture
def said(monkeypatch):
    """What is said in the log."""
    texts = []
    monkeypatch.setattr(memories, 'print_log',
                        lambda text, **options: texts.append(text))
    return texts


@pytest.mark.parametrize('old, new', [
    ([1], [1, 2]), (deque(), deque([1])), ({}, {'a': [1]}),
    ((), ([1], )), (None, object())], ids=lambda value: type(value).__name__)
def test_records_and_objects_are_said_once(said, old, new):
    """What grows with the run would be in each checkpoint."""
    hook = Any(old)
    hooks = HookMemory([hook])
    hook.value = new
    assert hooks.collect() == hooks.collect() == {}
    text, = said
    assert 'do not store value of Any' in text
    assert 'state_dict() and load_state_dict()' in text


def test_a_list_that_grows_is_seen(said):
    hook = Any([])
    hooks = HookMemory([hook])
    assert hooks.collect() == {} and not said
    hook.value.append(1)
    assert hooks.collect() == {}
    assert 'do not store value of Any' in said[0]


def test_a_tensor_is_written_in_place():
    hook = Any(torch.zeros(2))
    alias = hook.value
    HookMemory([hook]).restore(dict(Any=dict(value=torch.ones(2))))
    assert hook.value is alias and alias.tolist() == [1, 1]


def test_hooks_of_one_class_are_told_apart():
    hooks = [Any(0), Any(0), Any(0)]
    kept = HookMemory(hooks)
    hooks[0].value, hooks[2].value = 1, 3
    saved = kept.collect()
    assert saved == {'Any': {'value': 1}, 'Any.3': {'value': 3}}
    others = [Any(0), Any(0)]
    HookMemory(others).restore(saved)  # one of them is gone
    assert [hook.value for hook in others] == [1, 0]


def test_known_hooks_need_nothing():
    """Time, bars and averages are not restored as if they were memory."""
    timer, average = IterTimerHook(), EMAHook()
    early = EarlyStoppingHook(monitor='loss', rule='less')
    hooks = HookMemory([timer, average, early, ProgressHook(), MixLogHook()])
    timer.time_sec_tot = average.other = 5
    early.wait_count = 2
    saved = hooks.collect()
    assert saved.pop('EarlyStoppingHook') == {'wait_count': 2}
    assert saved == {'MixLogHook': {'steps': {}}}


def test_comparison_is_exact():
    assert same({'a': [1, (2, torch.ones(2))]}, {'a': [1, (2, torch.ones(2))]})
    for one, other in [(1, 1.), (1, True), ([1], (1, )), ([1], [1, 2]),
                       ({'a': 1}, {'b': 1}), (torch.ones(2), torch.ones(1)),
                       (np.ones(2), np.zeros(2)), (None, 0)]:
        assert not same(one, other)
