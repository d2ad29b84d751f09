"""Which backend runs, and what is said about it."""
import logging

import pytest
import torch
from problems import DEVICE, gaussian_cost

from alignmix_mm.ops import _dispatch, align_and_mix, assignment
from alignmix_mm.ops._dispatch import Problem, choose_backend, supports

CPU, CUDA = torch.device('cpu'), torch.device('cuda')
PROBLEM = Problem('annealed', CUDA, 49, 49)


@pytest.fixture
def bare(monkeypatch):
    """A machine with a GPU and without memory of earlier answers."""
    monkeypatch.delenv('TRITON_INTERPRET', raising=False)
    monkeypatch.setattr(_dispatch, '_unfit', _dispatch._unfit.__wrapped__)
    monkeypatch.setattr(_dispatch, '_said', {})
    monkeypatch.setattr(torch.version, 'hip', None)
    for name, value in (('get_device_capability', (9, 0)),
                        ('current_device', 0),
                        ('is_current_stream_capturing', False)):
        monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
    monkeypatch.setattr(_dispatch, '_failure', lambda *_: None)
    return monkeypatch


def test_auto_takes_the_kernels_on_a_gpu(bare):
    assert supports(PROBLEM) == (True, 'cuda device, 49 positions')
    assert choose_backend('auto', PROBLEM) == ('triton',
                                               'cuda device, 49 positions')
    assert choose_backend('torch', PROBLEM) == ('torch', 'asked for')


@pytest.mark.parametrize('change, reason', [
    (dict(solver='log'), "solver='log' runs in plain torch"),
    (dict(s=50), '49 and 50 positions'),
    (dict(r=257, s=257), '257 positions are more than 256'),
    (dict(device=CPU), 'needs a CUDA device, not cpu'),
    (dict(device=torch.device('meta')), 'not meta'),
])
def test_refusals_have_a_reason(bare, change, reason):
    problem = PROBLEM._replace(**change)
    supported, said = supports(problem)
    assert not supported and reason in said
    assert choose_backend('auto', problem) == ('torch', said)
    with pytest.raises(ValueError, match="Use backend='auto'") as error:
        choose_backend('triton', problem)
    assert reason in str(error.value)


def test_the_largest_map_and_the_oldest_device(bare):
    bare.setattr(torch.cuda, 'get_device_capability', lambda n: (8, 0))
    assert supports(PROBLEM._replace(r=256, s=256))[0]


def test_old_devices_and_missing_packages_are_refused(bare):
    bare.setattr(torch.cuda, 'get_device_capability',
                 lambda n: (7, 5) if n == 1 else (9, 0))
    assert supports(PROBLEM)[0]
    second = PROBLEM._replace(device=torch.device('cuda:1'))
    assert '(7, 5)' in supports(second)[1]
    bare.setattr(torch.version, 'hip', '7.0')
    assert 'NVIDIA' in supports(PROBLEM)[1]
    bare.setattr(_dispatch.importlib.util, 'find_spec', lambda name: None)
    assert supports(PROBLEM) == (False, 'Triton is not installed')


def test_each_size_and_dtype_of_a_device_is_checked_once(bare, caplog):
    checked = []
    bare.setattr(_dispatch, '_failure', lambda *key: checked.append(key))
    caplog.set_level(logging.INFO, 'alignmix_mm')
    for dtype in torch.float32, torch.bfloat16:
        for r in 4, 49, 196:
            for _ in range(2):
                assert supports(Problem('annealed', CUDA, r, r, dtype))[0]
    device = torch.device('cuda', 0)
    assert checked == [(device, r, dtype) for dtype in (
        torch.float32, torch.bfloat16) for r in (4, 49, 196)]
    said, = caplog.messages  # once for the device, whatever is checked
    assert said == 'Triton kernels passed their check on cuda:0.'


@pytest.mark.parametrize('error, remembered', [
    (RuntimeError('wrong results'), True),
    (RuntimeError('Failed to find C compiler.'), True),
    (torch.OutOfMemoryError('CUDA out of memory.'), False),
    (RuntimeError('CUDA error: out of memory'), False),
    (OSError('no space left on device'), False),
])
def test_failures_that_may_pass_are_forgotten(bare, error, remembered):
    bare.setattr(_dispatch, '_failure', lambda *_: error)
    supported, reason = supports(PROBLEM)
    assert not supported and str(error) in reason
    bare.setattr(_dispatch, '_failure', lambda *_: None)
    assert supports(PROBLEM)[0] != remembered


def test_nothing_is_checked_without_values_or_in_a_graph(bare):
    def refuse(*_):
        raise AssertionError

    from torch._subclasses.fake_tensor import FakeTensorMode
    bare.setattr(_dispatch, '_failure', refuse)
    with FakeTensorMode():
        assert supports(PROBLEM)[0]
    bare.setattr(torch.cuda, 'is_current_stream_capturing', lambda: True)
    assert 'captured' in supports(PROBLEM)[1]
    bare.setattr(torch.cuda, 'is_current_stream_capturing', lambda: False)
    bare.setattr(_dispatch, '_failure', lambda *_: None)
    assert supports(PROBLEM)[0]
    bare.setattr(torch.cuda, 'is_current_stream_capturing', lambda: True)
    assert supports(PROBLEM)[0]  # it is known by now


def test_a_triton_that_fails_is_reported_and_not_used(monkeypatch):
    """No C compiler, no headers, an old driver: known only by trying."""
    pytest.importorskip('triton')
    from alignmix_mm.ops import _check

    def fail(*args):
        raise RuntimeError('Failed to find C compiler.\nMore lines')

    monkeypatch.setattr(_check, 'self_check', fail)
    with pytest.warns(UserWarning, match='find C compiler.*plain torch'):
        error = _dispatch._failure(CPU, 4, torch.float32)
    assert _dispatch._describe(error) == (
        'Triton does not work here (RuntimeError: Failed to find C compiler.)')


FULL = [(r, dtype) for r in (4, 16, 32, 49, 64, 65, 196)
        for dtype in (torch.float32, torch.bfloat16, torch.float16)]


@pytest.mark.parametrize('r, dtype', [
    (4, torch.float32), (16, torch.bfloat16), (17, torch.float16)])
def test_a_triton_that_works_passes_the_check(short_schedule, r, dtype):
    pytest.importorskip('triton')
    assert _dispatch._failure(torch.device(DEVICE), r, dtype) is None


@pytest.mark.slow
@pytest.mark.parametrize('r, dtype', FULL)
def test_every_tile_passes_the_check(r, dtype):
    pytest.importorskip('triton')
    if DEVICE == 'cpu' and r > 65:
        pytest.skip('takes minutes in the interpreter')
    assert _dispatch._failure(torch.device(DEVICE), r, dtype) is None


def test_the_check_does_not_depend_on_defaults(short_schedule):
    pytest.importorskip('triton')
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device('meta'):  # nothing may be made there
            error = _dispatch._failure(torch.device(DEVICE), 4, torch.float32)
    finally:
        torch.set_default_dtype(torch.float32)
    assert error is None


@pytest.mark.parametrize('broken', ['plan_kernel', 'large_plan_kernel',
                                    'gram_kernel', 'mix_kernel',
                                    'collect_kernel'])
def test_kernels_with_wrong_results_are_not_used(monkeypatch, short_schedule,
                                                 broken):
    pytest.importorskip('triton')
    from alignmix_mm.ops import _triton
    kernel = getattr(_triton, broken)

    class Wrong:
        def __getitem__(self, grid):
            def launch(*args, **options):
                args = list(args)
                if 'stages' in kernel.arg_names:  # no sweeps at all
                    for name in 'stages', 'final_sweeps':
                        args[kernel.arg_names.index(name)] = 0
                    return kernel[grid](*args, **options)
                # half of the channels are left out
                half = grid[0], max(1, grid[1] // 2)
                return kernel[half](*args, **options)
            return launch

    monkeypatch.setattr(_triton, broken, Wrong())
    if broken in ('gram_kernel', 'mix_kernel', 'collect_kernel'):
        def poisoned(like, *args, empty=torch.Tensor.new_empty, **options):
            return empty(like, *args, **options).fill_(9.)

        monkeypatch.setattr(torch.Tensor, 'new_empty', poisoned)
    r = 65 if broken == 'large_plan_kernel' else 9
    with pytest.warns(UserWarning, match='wrong results for'):
        error = _dispatch._failure(torch.device(DEVICE), r, torch.float32)
    assert 'wrong results for' in str(error)


def test_the_interpreter_runs_only_if_asked_for(short_schedule):
    if DEVICE == 'cuda':
        pytest.skip('the kernels are compiled here')
    pytest.importorskip('triton')
    cost = gaussian_cost(1, 4, 3, 3)
    for backend, expected in (
            ('auto', ('torch', "Triton's interpreter is for tests")),
            ('torch', ('torch', 'asked for')),
            ('triton', ('triton', 'asked for'))):
        _, info = assignment(cost, backend=backend, return_info=True)
        assert (info.backend, info.reason) == expected


def test_mixing_says_what_ran():
    a = torch.randn(2, 4, 3, 3)
    _, info = align_and_mix(a, a, .5, backend='torch', return_info=True)
    assert (info.backend, info.reason) == ('torch', 'asked for')
    _, info = align_and_mix(a, a, .5, solver='log', return_info=True)
    assert info.reason == "solver='log' runs in plain torch"
    assert info.sweeps == 100
