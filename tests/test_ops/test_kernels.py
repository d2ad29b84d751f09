"""The Triton kernels as operators of torch, and as machine code."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from problems import DEVICE, RANDOM_KINDS, random_maps
from torch.utils.checkpoint import checkpoint

from alignmix_mm.ops import align_and_mix, assignment, pairwise_cost

triton = pytest.importorskip('triton')
_triton = pytest.importorskip('alignmix_mm.ops._triton', exc_type=ImportError)

PERM = torch.tensor([2, 0, 3, 1], device=DEVICE)  # not its own inverse
LAM = torch.tensor([.15, .4, .75, .95], device=DEVICE)


def maps(r=9, c=6, **options):
    return torch.randn(4, c, r, device=DEVICE, **options)


@pytest.mark.parametrize('r', [1, 16, 49, 100])
@pytest.mark.parametrize('kind', RANDOM_KINDS)
def test_the_algorithm_is_that_of_the_torch_path(kind, r):
    """Where plans are not unique to float32, both give the same."""
    cost = pairwise_cost(*random_maps(kind, 2, 16, r)).to(DEVICE)
    plan, info = assignment(cost, backend='triton', return_info=True)
    expected, reference = assignment(cost, backend='torch', return_info=True)
    # ties amplify the rounding of sums in another order
    torch.testing.assert_close(plan, expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(info.col_sums, reference.col_sums, atol=1e-3,
                               rtol=0)
    assert info.sweeps == reference.sweeps


@pytest.mark.parametrize('num_iters', [1, 4])
@pytest.mark.parametrize('kind', ['normal', 'sparse', 'outlier'])
@pytest.mark.parametrize('r', [2, 5, 17, 33, 49, 65, 100])
def test_unconverged_iterates_agree(r, kind, num_iters):
    """Every sweep, bound and mask counts before the solution is reached."""
    a, b = random_maps(kind, 2, 16, r)
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


@pytest.mark.parametrize('swap', [False, True])
def test_operators_keep_the_contract_of_torch(swap):
    x, y = maps(requires_grad=True), maps(requires_grad=True)
    torch.library.opcheck(_triton.fused_mix,
                          (x, y, LAM, PERM, swap, .1, None))
    torch.library.opcheck(_triton.annealed_plan, (torch.rand(
        2, 5, 5, device=DEVICE), .1, 7))


@pytest.mark.parametrize('num_iters', [None, 2])
def test_the_fused_kernel_gets_all_options(num_iters):
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


def test_torch_compile_sees_one_graph():
    x = maps().unflatten(2, (3, 3)).requires_grad_()
    expected, = torch.autograd.grad(loss(x), x)
    compiled = torch.compile(loss, fullgraph=True, backend='aot_eager')
    got, = torch.autograd.grad(compiled(x), x)
    torch.testing.assert_close(got, expected)


def test_gradient_checkpointing_recomputes_the_same():
    x = maps().unflatten(2, (3, 3)).requires_grad_()
    expected, = torch.autograd.grad(loss(x), x)
    got, = torch.autograd.grad(checkpoint(loss, x, use_reentrant=False), x)
    assert torch.equal(got, expected)


@pytest.mark.parametrize('r', [3, 16, 65])
def test_every_entry_is_written(r):
    """Memory that nobody wrote is NaN here."""
    torch.use_deterministic_algorithms(True)
    try:
        assert torch.empty(3, device=DEVICE).isnan().all()  # as announced
        cost = torch.rand(2, r, r, device=DEVICE)
        plan, info = assignment(cost, backend='triton', return_info=True)
        x = maps(r, c=35).unsqueeze(3)
        mixed = align_and_mix(x, x, LAM, perm=PERM, backend='triton')
    finally:
        torch.use_deterministic_algorithms(False)
    for tensor in plan, info.row_sums, info.col_sums, mixed:
        assert torch.isfinite(tensor).all()


@pytest.mark.parametrize('index', [-1, 4, 2**40])
def test_a_partner_that_does_not_exist_is_not_read(index):
    x = maps().unflatten(2, (3, 3))
    perm = PERM.clone()
    perm[1] = index
    mixed = align_and_mix(x, x, LAM, perm=perm, backend='triton')
    lost = mixed.isnan().flatten(1)
    assert lost[1].all() and not lost[[0, 2, 3]].any()


@pytest.mark.parametrize('magnitude', [1e20, 1e38])
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


@pytest.mark.parametrize('case', ['lam with gradient', 'float64', 'two types',
                                  'r = 81'])
def test_what_one_kernel_cannot_do_is_done_in_parts(case, monkeypatch):
    """Another kernel than the fused one, but no other answer."""
    x = y = maps(81 if case == 'r = 81' else 9)
    lam = LAM.clone().requires_grad_(case == 'lam with gradient')
    if case == 'float64':
        x = y = x.double()
    if case == 'two types':
        y = y.bfloat16()
    expected = align_and_mix(x.unsqueeze(3), y.unsqueeze(3), lam, perm=PERM,
                             backend='torch')
    monkeypatch.delattr(_triton, 'fused_mix')  # must not be needed
    mixed, info = align_and_mix(x.unsqueeze(3), y.unsqueeze(3), lam, perm=PERM,
                                backend='triton', return_info=True)
    assert info.backend == 'triton'
    torch.testing.assert_close(mixed, expected, atol=1e-5, rtol=1e-4)
    if lam.requires_grad:
        mixed.sum().backward()
        assert lam.grad.abs().min() > 0


def test_small_maps_are_mixed_by_one_kernel(monkeypatch):
    monkeypatch.delattr(_triton, 'annealed_plan')  # must not be needed
    x = maps(64, c=3).unflatten(2, (8, 8))
    _, info = align_and_mix(x, x, LAM, backend='triton', return_info=True)
    assert info.backend == 'triton'


@pytest.fixture(scope='module')
def machine_code(root):
    """Resources of the kernels, compiled for Hopper without a GPU."""
    tools = Path(triton.__file__).parent / 'backends' / 'nvidia' / 'bin'
    for name in 'ptxas', 'cuobjdump':
        if not (tools / name).is_file():
            pytest.skip(f"Triton's package has no {name} here")
    script = ('import json, kernel_resources as resources; '
              'print(json.dumps(resources.table(90)))')
    result = subprocess.run(
        [sys.executable, '-c', script], cwd=root / 'benchmarks',
        env={**os.environ, 'TRITON_INTERPRET': '0'}, capture_output=True,
        text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_kernels_compile_for_hopper_and_do_not_spill(machine_code):
    assert len(machine_code) == 34
    for name, used in machine_code.items():
        # a Hopper thread has 255 registers, a block 227 KiB of shared memory
        assert used['registers'] <= 255, name
        # a few words; with blocks of 64 channels it is 336 bytes and more
        assert used['stack'] <= 64, (name, used)
        assert used['shared'] <= 64 * 1024, (name, used)


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
        assert extra <= mixed.numel() * 4 + plan + 2**20

    def test_a_captured_graph_replays(self):
        x = maps(16, c=64).unsqueeze(3)
        expected = align_and_mix(x, x, LAM, perm=PERM)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            mixed = align_and_mix(x, x, LAM, perm=PERM)
        graph.replay()
        assert torch.equal(mixed, expected)
