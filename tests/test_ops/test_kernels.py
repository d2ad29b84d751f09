"""The Triton kernels as operators of torch, and as machine code."""
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from problems import DEVICE, RANDOM_KINDS, random_maps
from torch.utils.checkpoint import checkpoint

from alignmix_mm.ops import (
    _annealed,
    align_and_mix,
    assignment,
    pairwise_cost,
)

triton = pytest.importorskip('triton')
_triton = pytest.importorskip('alignmix_mm.ops._triton', exc_type=ImportError)
_kernels = pytest.importorskip('alignmix_mm.ops._kernels')
_kernels_rows = pytest.importorskip('alignmix_mm.ops._kernels_rows')

PERM = torch.tensor([2, 0, 3, 1], device=DEVICE)  # not its own inverse
LAM = torch.tensor([.15, .4, .75, .95], device=DEVICE)


def maps(r=9, c=6, **options):
    return torch.randn(4, c, r, device=DEVICE, **options)


# what takes the interpreter long, in `make test` on a GPU alone
interpreted_slow = pytest.mark.slow if DEVICE == 'cpu' else lambda test: test


def case(*values, slow=True):
    marks = [pytest.mark.slow] if slow and DEVICE == 'cpu' else []
    return pytest.param(*values, marks=marks)


@pytest.mark.parametrize('kind, r', [
    case(kind, r, slow=(kind, r) not in (('sparse', 16), ('normal', 65)))
    for kind in RANDOM_KINDS for r in (1, 16, 49, 65, 100)])
def test_the_algorithm_is_that_of_the_torch_path(kind, r):
    """Where plans are not unique to float32, both give the same."""
    cost = pairwise_cost(*random_maps(kind, 1, 16, r)).to(DEVICE)
    plan, info = assignment(cost, backend='triton', return_info=True)
    expected, reference = assignment(cost, backend='torch', return_info=True)
    # ties amplify the rounding of sums in another order
    torch.testing.assert_close(plan, expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(info.col_sums, reference.col_sums, atol=1e-3,
                               rtol=0)
    assert info.sweeps == reference.sweeps


@pytest.mark.parametrize('r, kind, num_iters', [
    case(r, kind, num_iters, slow=r == 100)
    for r, kind, num_iters in (
        (1, 'normal', 1), (2, 'sparse', 4), (5, 'outlier', 4),
        (15, 'normal', 1), (16, 'outlier', 4), (17, 'normal', 4),
        (33, 'sparse', 1), (49, 'normal', 4), (64, 'outlier', 4),
        (65, 'sparse', 4), (100, 'outlier', 1))])
def test_unconverged_iterates_agree(short_schedule, r, kind, num_iters):
    """Every sweep, bound and mask counts before the solution is reached."""
    compare_iterates(r, kind, num_iters)


@interpreted_slow
@pytest.mark.parametrize('num_iters', [1, 4])
@pytest.mark.parametrize('kind', ['normal', 'sparse', 'outlier'])
@pytest.mark.parametrize('r', [2, 5, 17, 33, 49, 65, 100])
def test_iterates_after_all_stages_agree(r, kind, num_iters):
    compare_iterates(r, kind, num_iters)


def compare_iterates(r, kind, num_iters):
    a, b = random_maps(kind, 2 if r < 33 else 1, 16, r)
    cost = pairwise_cost(a, b).to(DEVICE)
    plan, info = assignment(cost, 10., num_iters=num_iters, backend='triton',
                            return_info=True)
    expected, reference = assignment(cost, 10., num_iters=num_iters,
                                     backend='torch', return_info=True)
    # rounding of some 100 sweeps at costs of a few eps, or 1e6 (outlier)
    tolerance = 1e-3 if kind == 'outlier' else 2e-5
    for got, wanted in ((info.col_sums, reference.col_sums),
                        (info.row_sums, reference.row_sums),
                        (plan, expected)):
        torch.testing.assert_close(got, wanted, atol=tolerance, rtol=0)


@pytest.mark.parametrize('swap', [case(False), case(True, slow=False)])
def test_operators_keep_the_contract_of_torch(short_schedule, swap):
    x, y = torch.randn(2, 1, 3, 5, device=DEVICE)
    lam, perm = LAM[:1], torch.zeros(1, dtype=torch.int64, device=DEVICE)
    torch.library.opcheck(_triton.annealed_plan, (torch.rand(
        1, 5, 5, device=DEVICE), .1, 7))
    torch.library.opcheck(_triton.collect, (x, perm, 4))
    torch.library.opcheck(_triton.partner_gradient, (
        x, torch.rand(1, 5, 5, device=DEVICE)))
    torch.library.opcheck(_triton.fused_mix, (
        x.requires_grad_(), y.requires_grad_(), lam, perm, swap, .1, None))


@pytest.mark.parametrize('num_iters', [None, 2])
def test_the_fused_kernels_get_all_options(short_schedule, num_iters):
    x = maps(25, c=8).unsqueeze(3).requires_grad_()
    options = dict(eps=2., perm=PERM, num_iters=num_iters, return_info=True)
    mixed, info = align_and_mix(x, x, LAM, backend='triton', **options)
    expected, reference = align_and_mix(x, x, LAM, backend='torch', **options)
    assert info.sweeps == reference.sweeps
    for got, wanted in ((mixed, expected), (info.row_sums, reference.row_sums),
                        (info.col_sums, reference.col_sums)):
        torch.testing.assert_close(got, wanted, atol=2e-5, rtol=0)
    assert mixed.requires_grad and not info.col_sums.requires_grad


def loss(x):
    mixed = align_and_mix(x, x, LAM, perm=PERM, backend='triton')
    return (mixed * torch.arange(9., device=DEVICE).view(3, 3)).square().sum()


def test_torch_compile_sees_one_graph(short_schedule):
    x = maps().unflatten(2, (3, 3)).requires_grad_()
    expected, = torch.autograd.grad(loss(x), x)
    compiled = torch.compile(loss, fullgraph=True, backend='aot_eager')
    got, = torch.autograd.grad(compiled(x), x)
    torch.testing.assert_close(got, expected)


def test_gradient_checkpointing_recomputes_the_same(short_schedule):
    x = maps().unflatten(2, (3, 3)).requires_grad_()
    expected, = torch.autograd.grad(loss(x), x)
    got, = torch.autograd.grad(checkpoint(loss, x, use_reentrant=False), x)
    assert torch.equal(got, expected)


@pytest.mark.parametrize('r', [3, 16, 65])
def test_every_entry_is_written(short_schedule, r):
    """Memory that nobody wrote is NaN here."""
    torch.use_deterministic_algorithms(True)
    try:
        assert torch.empty(3, device=DEVICE).isnan().all()  # as announced
        cost = torch.rand(1, r, r, device=DEVICE)
        plan, info = assignment(cost, backend='triton', return_info=True)
        x = maps(r, c=65)[:2].unsqueeze(3)
        mixed = align_and_mix(x, x, LAM[:2], perm=PERM[:2] % 2,
                              backend='triton')
    finally:
        torch.use_deterministic_algorithms(False)
    for tensor in plan, info.row_sums, info.col_sums, mixed:
        assert torch.isfinite(tensor).all()


@pytest.mark.parametrize('index', [-1, 4, case(2**40)])
def test_a_partner_that_does_not_exist_is_not_read(short_schedule, index):
    x = maps().unflatten(2, (3, 3))
    perm = PERM.clone()
    perm[1] = index
    mixed = align_and_mix(x, x, LAM, perm=perm, backend='triton')
    lost = mixed.isnan().flatten(1)
    assert lost[1].all() and not lost[[0, 2, 3]].any()


@pytest.mark.parametrize('magnitude', [case(1e20), case(1e38)])
def test_huge_features_have_a_plan(magnitude):
    """As without kernels, also where squares have no float32."""
    x = maps(9, c=8).unsqueeze(3) * magnitude
    x = x.clamp(-3e38, 3e38)
    mixed, info = align_and_mix(x, x, LAM, perm=PERM, backend='triton',
                                return_info=True)
    # all features are +-1e17 to it, so many plans are optimal
    assert (info.row_violation < 1e-5).all()
    assert (info.col_violation < 1e-2).all()
    low, high = (torch.stack([x.abs().amax(2), x[PERM].abs().amax(2)]).amax(0)
                 * sign for sign in (-1, 1))
    assert ((mixed >= low.unsqueeze(2)) & (mixed <= high.unsqueeze(2))).all()
    x[1] = torch.nan  # stays NaN, in its two pairs alone
    mixed = align_and_mix(x, x, LAM, perm=PERM, backend='triton')
    lost = mixed.isnan().flatten(1).all(1)
    assert torch.equal(lost.cpu(), (PERM.cpu() == 1) | (torch.arange(4) == 1))


@pytest.mark.parametrize('what', ['lam with gradient', 'float64', 'two types',
                                  'r = 81'])
def test_what_these_kernels_cannot_do_is_done_in_parts(short_schedule, what,
                                                       monkeypatch):
    """Another kernel than the fused one, but no other answer."""
    x = y = maps(81 if what == 'r = 81' else 9)
    lam = LAM.clone().requires_grad_(what == 'lam with gradient')
    if what == 'float64':
        x = y = x.double()
    if what == 'two types':
        y = y.bfloat16()
    perm = PERM
    if what == 'r = 81':
        x, y, lam, perm = x[:1], y[:1], lam[:1], PERM[1:2]
    expected = align_and_mix(x.unsqueeze(3), y.unsqueeze(3), lam, perm=perm,
                             backend='torch')
    monkeypatch.delattr(_triton, 'fused_mix')  # must not be needed
    mixed, info = align_and_mix(x.unsqueeze(3), y.unsqueeze(3), lam, perm=perm,
                                backend='triton', return_info=True)
    assert info.backend == 'triton'
    torch.testing.assert_close(mixed, expected, atol=1e-5, rtol=1e-4)
    if lam.requires_grad:
        mixed.sum().backward()
        assert lam.grad.abs().min() > 0


def test_small_maps_are_mixed_without_a_cost_matrix(short_schedule,
                                                    monkeypatch):
    monkeypatch.delattr(_triton, 'annealed_plan')  # must not be needed
    x = maps(64, c=3)[:1].unflatten(2, (8, 8))
    _, info = align_and_mix(x, x, LAM[:1], backend='triton', return_info=True)
    assert info.backend == 'triton'


@pytest.mark.parametrize('channels, channels_last', [
    (1, False), (33, True), (300, False)])  # several blocks and parts
def test_channels_are_summed_and_mixed_in_blocks(short_schedule, channels,
                                                 channels_last):
    x = maps(5, c=channels)[:2]
    if channels_last:
        x = x.mT.contiguous().mT
    x = x.unsqueeze(3)
    lam, perm = LAM[:2], PERM[1:3] % 3 // 2  # 0 and 0
    mixed = align_and_mix(x, x, lam, perm=perm, backend='triton')
    expected = align_and_mix(x, x, lam, perm=perm, backend='torch')
    torch.testing.assert_close(mixed, expected, atol=1e-4, rtol=0)
    assert mixed.stride() == expected.stride() or not channels_last


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_gradients_are_collected_whatever_perm_is(dtype):
    grad = maps(6, c=400).to(dtype)
    for perm in PERM, PERM // 2, torch.full_like(PERM, 4), PERM[:0]:
        expected = torch.zeros(5, 400, 6, device=DEVICE)
        expected.index_add_(0, perm, grad[:len(perm)].float())
        collected = _triton.collect(grad[:len(perm)], perm, 5)
        torch.testing.assert_close(
            collected.float(), expected, atol=1e-6,
            rtol=2 * torch.finfo(dtype).eps)


def test_gradients_that_nobody_needs_are_not_computed(short_schedule,
                                                      monkeypatch):
    x, y = maps()[:2].unsqueeze(3), maps()[:2].unsqueeze(3).requires_grad_()
    weights = torch.randn_like(x)

    def gradients(first, second):
        mixed = align_and_mix(first, second, LAM[:2], backend='triton')
        return torch.autograd.grad(
            mixed, [z for z in (first, second) if z.requires_grad], weights)

    for_y, = gradients(x, y)
    monkeypatch.setattr(_triton, 'collect', None)  # that of y alone
    monkeypatch.setattr(_triton, 'partner_gradient', None)
    for_x, = gradients(x.clone().requires_grad_(), y.detach())
    torch.testing.assert_close(for_x, LAM[:2].view(-1, 1, 1, 1) * weights)
    assert for_y.abs().min() > 0


@pytest.mark.parametrize('r', [4, 49, 66])
def test_results_keep_their_tolerance_with_a_rough_logarithm(monkeypatch, r):
    """`lg2.approx` of a GPU errs by 2^-22; the interpreter has another."""
    if DEVICE == 'cuda':
        pytest.skip('the logarithm is in machine code')
    if r == 66:
        for name in 'align', 'transport', '_annealed', '_triton':
            module = importlib.import_module(f'alignmix_mm.ops.{name}')
            monkeypatch.setattr(module, 'make_schedule', lambda *_: (
                _annealed.Schedule(3, 4, 8, 1.8)))
    exact, noise, calls = _kernels.log2, np.random.default_rng(0), []

    def rough(x):
        result = exact(x)
        error = noise.uniform(-1, 1, result.shape) * 2**-22
        result.handle.data = result.handle.data + error.astype(np.float32)
        calls.append(error)
        return result

    cost = pairwise_cost(*random_maps('normal', 1, 16, r))
    expected, reference = assignment(cost, backend='torch', return_info=True)
    for module in _kernels, _kernels_rows:
        monkeypatch.setattr(module, 'log2', rough)
    plan, info = assignment(cost, backend='triton', return_info=True)
    assert len(calls) > 30
    # the tolerances of test_the_algorithm_is_that_of_the_torch_path
    torch.testing.assert_close(plan, expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(info.col_sums, reference.col_sums, atol=1e-3,
                               rtol=0)
    assert abs(info.col_violation - reference.col_violation) < 1e-4


def compile_for(root, script):
    """What a process without the interpreter prints, as JSON."""
    tools = Path(triton.__file__).parent / 'backends' / 'nvidia' / 'bin'
    for name in 'ptxas', 'cuobjdump':
        if not (tools / name).is_file():
            pytest.skip(f"Triton's package has no {name} here")
    result = subprocess.run(
        [sys.executable, '-c', f'import json, kernel_resources; {script}'],
        cwd=root / 'benchmarks', env={**os.environ, 'TRITON_INTERPRET': '0',
                                       'PYTHONPATH': str(root)},
        capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def assert_fits(table):
    for name, used in table.items():
        # a thread has 255 registers, a block at least 99 KiB of shared memory
        assert used['registers'] <= 255, (name, used)
        # a few words; with blocks of 64 channels it is 336 bytes and more
        assert used['stack'] <= 64, (name, used)
        assert used['shared'] <= 96 * 1024, (name, used)


@pytest.mark.process
def test_kernels_compile_for_hopper_and_do_not_spill(root):
    table = compile_for(root, 'print(json.dumps(kernel_resources.table('
                        '90, (49, 196), ("bf16", ))))')
    assert len(table) == 7
    assert_fits(table)


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize('capability', [80, 86, 89, 90, 100, 120])
def test_every_kernel_compiles_for_every_architecture(root, capability):
    table = compile_for(
        root, f'print(json.dumps(kernel_resources.table({capability})))')
    assert len(table) == 117
    assert_fits(table)


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE == 'cpu', reason='needs a CUDA device')
class TestOnAGpu:

    @pytest.mark.parametrize('solver', ['annealed', 'log'])
    @pytest.mark.parametrize('r, s', [(16, 16), (49, 49), (100, 100), (9, 16)])
    def test_nothing_waits_for_the_device(self, solver, r, s):
        x = maps(r, c=64).unsqueeze(3).requires_grad_()
        y = maps(s, c=64).unsqueeze(3).requires_grad_()
        align_and_mix(x, y, LAM, perm=PERM, solver=solver)  # compiles
        torch.cuda.set_sync_debug_mode('error')
        try:
            mixed, info = align_and_mix(x, y, .3, perm=PERM, solver=solver,
                                        return_info=True)
            mixed.sum().backward()
        finally:
            torch.cuda.set_sync_debug_mode('default')
        triton = solver == 'annealed' and r == s
        assert info.backend == ('triton' if triton else 'torch')

    @pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
    def test_autocast_changes_nothing(self, dtype):
        x = maps(49, c=64).unsqueeze(3)
        expected = align_and_mix(x, x, LAM, perm=PERM)
        with torch.autocast('cuda', dtype):
            assert torch.equal(align_and_mix(x, x, LAM, perm=PERM), expected)

    def test_only_plan_and_output_take_memory(self):
        x = torch.randn(100, 2048, 7, 7, device='cuda')
        perm = torch.randperm(100, device='cuda')
        lam = torch.rand(100, device='cuda')
        align_and_mix(x, x, lam, perm=perm)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        mixed = align_and_mix(x, x, lam, perm=perm)
        extra = torch.cuda.max_memory_allocated() - before
        plan = 100 * 49 * 49 * 4
        parts = 8 * plan  # of the Gram matrix
        assert extra <= mixed.numel() * 4 + plan + parts + 2**20

    def test_a_captured_graph_replays(self):
        x = maps(16, c=64).unsqueeze(3)
        expected = align_and_mix(x, x, LAM, perm=PERM)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            mixed = align_and_mix(x, x, LAM, perm=PERM)
        graph.replay()
        assert torch.equal(mixed, expected)
