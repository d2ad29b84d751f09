"""Which backend runs, and what is said about it."""
import pytest
import torch
from problems import DEVICE, gaussian_cost

from alignmix_mm.ops import _dispatch, align_and_mix, assignment
from alignmix_mm.ops._dispatch import Problem, choose_backend, supports

CPU, CUDA = torch.device('cpu'), torch.device('cuda')
PROBLEM = Problem('annealed', CUDA, 49, 49)


@pytest.fixture
def bare(monkeypatch):
    """A machine without interpreter and without memory of earlier answers."""
    monkeypatch.delenv('TRITON_INTERPRET', raising=False)
    monkeypatch.setattr(_dispatch, '_find_refusal',
                        _dispatch._find_refusal.__wrapped__)
    monkeypatch.setattr(torch.version, 'hip', None)
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda n: (9, 0))
    monkeypatch.setattr(_dispatch, '_failure', lambda device: None)
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
    bare.setattr(_dispatch, '_failure', lambda device: 'it breaks')
    assert supports(PROBLEM) == (False, 'it breaks')
    bare.setattr(torch.version, 'hip', '7.0')
    assert 'NVIDIA' in supports(PROBLEM)[1]
    bare.setattr(_dispatch.importlib.util, 'find_spec', lambda name: None)
    assert supports(PROBLEM) == (False, 'Triton is not installed')


def test_a_triton_that_fails_is_reported_and_not_used(monkeypatch):
    """No C compiler, no headers, an old driver: known only by trying."""
    pytest.importorskip('triton')
    from alignmix_mm.ops import _triton

    def fail(*args):
        raise RuntimeError('Failed to find C compiler.\nMore lines')

    monkeypatch.setattr(_triton, 'self_check', fail)
    with pytest.warns(UserWarning, match='find C compiler.*plain torch'):
        reason = _dispatch._failure(CPU)
    assert reason.endswith('RuntimeError: Failed to find C compiler.')


def test_a_triton_that_works_passes_the_check():
    pytest.importorskip('triton')
    assert _dispatch._failure(torch.device(DEVICE)) is None


@pytest.mark.parametrize('broken', ['plan_kernel', 'large_plan_kernel',
                                    'mix_kernel'])
def test_kernels_with_wrong_results_are_not_used(monkeypatch, broken):
    pytest.importorskip('triton')
    from alignmix_mm.ops import _triton
    kernel = getattr(_triton, broken)

    def wrong(*args, **options):  # no sweeps at all
        args = list(args)
        names = kernel.arg_names
        args[names.index('stages')] = 0
        args[names.index('final_sweeps')] = 0
        kernel[(2, )](*args, **options)

    monkeypatch.setattr(_triton, broken, {(2, ): wrong})
    with pytest.warns(UserWarning, match='wrong results for'):
        reason = _dispatch._failure(torch.device(DEVICE))
    assert 'wrong results for' in reason


def test_the_interpreter_runs_only_if_asked_for(monkeypatch):
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
