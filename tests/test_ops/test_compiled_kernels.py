"""The Triton kernels as machine code, and on a GPU."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from problems import DEVICE

from alignmix_mm.ops import align_and_mix

triton = pytest.importorskip('triton')

PERM = torch.tensor([2, 0, 3, 1], device=DEVICE)  # not its own inverse
LAM = torch.tensor([.15, .4, .75, .95], device=DEVICE)


def maps(r=9, c=6, **options):
    return torch.randn(4, c, r, device=DEVICE, **options)


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
