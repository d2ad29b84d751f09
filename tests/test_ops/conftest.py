"""Both backends solve the same problems to the same tolerances.

Without a GPU, Triton's interpreter runs the kernels (see ../conftest.py).
"""
import functools

import pytest
import torch
from problems import DEVICE

from alignmix_mm.ops import align_and_mix, assignment


@pytest.fixture(params=['torch', 'triton'])
def backend(request):
    if request.param == 'triton':
        pytest.importorskip('triton')
    return request.param


@pytest.fixture
def solve(backend):
    """`assignment` on DEVICE; says that the backend ran that was asked for."""
    def run(cost, *args, **options):
        plan, info = assignment(cost.to(DEVICE), *args, backend=backend,
                                return_info=True, **options)
        assert (info.backend, info.reason) == (backend, 'asked for')
        rows, cols = info.row_sums.cpu(), info.col_sums.cpu()
        return plan.cpu(), info._replace(row_sums=rows, col_sums=cols)

    return run


@pytest.fixture
def mix(backend):
    """`align_and_mix` on DEVICE with one backend, results on the CPU."""
    @functools.wraps(align_and_mix)
    def run(*tensors, perm=None, **options):
        tensors = [t.to(DEVICE) if isinstance(t, torch.Tensor) else t
                   for t in tensors]
        if perm is not None:
            perm = perm.to(DEVICE)
        mixed, info = align_and_mix(*tensors, perm=perm, backend=backend,
                                    return_info=True, **options)
        assert info.backend == backend
        return mixed.cpu()

    return run
