"""Products stay in full float32, whatever the user has chosen."""
import warnings

import pytest
import torch
import torch._dynamo  # lists functions that a test replaces

from alignmix_mm.ops import align, align_and_mix, pairwise_cost
from alignmix_mm.ops._precision import full_precision
from alignmix_mm.ops.cost import cross_cost

CPU = torch.device('cpu')
NEW = hasattr(torch._C, '_get_fp32_precision_getter')


def setting():
    """What products do now, as torch itself reads it."""
    if NEW:
        values = {torch._C._get_fp32_precision_getter(backend, 'matmul')
                  for backend in ('cuda', 'mkldnn')}
        return 'highest' if values <= {'ieee', 'none'} else str(values)
    return torch.get_float32_matmul_precision()


def old(value):
    torch.set_float32_matmul_precision(value)


def allow_tf32(value):
    torch.backends.cuda.matmul.allow_tf32 = value == 'high'


def new(value):
    torch.backends.cuda.matmul.fp32_precision = {
        'high': 'tf32', 'highest': 'ieee'}[value]


WAYS = [(old, 'high'), (old, 'medium'), (allow_tf32, 'high')] + (
    [(new, 'high')] if NEW else [])


@pytest.fixture(params=WAYS, ids=lambda way: f'{way[0].__name__}-{way[1]}')
def rounding(request):
    choose, value = request.param
    choose(value)
    yield setting()
    if NEW:  # what both interfaces agree on
        for backend in 'cuda', 'mkldnn':
            torch._C._set_fp32_precision_setter(backend, 'matmul', 'ieee')
    torch.set_float32_matmul_precision('highest')


def test_the_setting_is_full_inside_and_the_same_outside(rounding):
    assert rounding != 'highest'
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for _ in range(2):
            with full_precision(CPU):
                assert setting() == 'highest'
                with full_precision(CPU):
                    assert setting() == 'highest'
                assert setting() == 'highest'
            assert setting() == rounding
        with pytest.raises(KeyError), full_precision(CPU):
            raise KeyError
    assert setting() == rounding


def test_both_interfaces_stay_readable_where_they_were():
    old('medium')
    try:
        with full_precision(CPU):
            assert torch.get_float32_matmul_precision() == 'highest'
            assert not torch.backends.cuda.matmul.allow_tf32
        assert torch.get_float32_matmul_precision() == 'medium'
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        old('highest')


def test_every_product_is_a_full_one(rounding, monkeypatch):
    seen = []

    def spied(product):
        def spy(*args, **options):
            seen.append(setting())
            return product(*args, **options)

        return spy

    for owner, name in ((torch, 'bmm'), (torch, 'baddbmm'),
                        (torch.Tensor, 'baddbmm_')):
        monkeypatch.setattr(owner, name, spied(getattr(owner, name)))
    a = torch.randn(2, 3, 4)
    for product in (pairwise_cost, cross_cost):
        product(a, a)
    align(a, torch.rand(2, 4, 4))
    count = len(seen)
    assert count == 3
    maps = a.unsqueeze(3)
    for solver in 'annealed', 'log':
        align_and_mix(maps, maps, .3, solver=solver)
    assert len(seen) > count + 100  # the sweeps too
    assert set(seen) == {'highest'}
    assert setting() == rounding


@pytest.mark.parametrize('solver', [
    'annealed', pytest.param('log', marks=pytest.mark.slow)])
def test_compiled_code_changes_nothing(rounding, solver):
    a = torch.randn(2, 64, 3, 3)

    def mix(a):
        return align_and_mix(a, a.flip(0), .4, solver=solver)

    expected = mix(a)
    compiled = torch.compile(mix, backend='eager')
    torch.testing.assert_close(compiled(a), expected)
    assert setting() == rounding


def test_without_rounding_one_graph_is_enough():
    a = torch.randn(2, 6, 3, 3)

    def mix(a):
        return align_and_mix(a, a.flip(0), .4, solver='log')

    compiled = torch.compile(mix, backend='eager', fullgraph=True)
    torch.testing.assert_close(compiled(a), mix(a))
