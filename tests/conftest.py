import functools
import gc
import importlib.util
import logging
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from quick_interpreter import quicken

from alignmix_mm._on_import import when_imported

# Without a GPU, Triton's interpreter runs the kernels. It has to be chosen
# before anything imports Triton.
if not torch.cuda.is_available():
    os.environ['TRITON_INTERPRET'] = '1'
    when_imported('triton.runtime.interpreter', quicken)

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / 'shared' / 'data'


def pytest_configure():
    """Leave out what MMEngine repeats for every config."""
    try:
        from mmengine.config import config, utils
        from mmengine.dataset import base_dataset
    except ImportError:  # without the stack
        return
    # it reads 85 metafiles when a config inherits from MMPretrain, and reloads
    # pkg_resources, which takes longer than reading the config
    utils.load = functools.cache(utils.load)
    config.is_installed = functools.cache(config.is_installed)
    # a third of a short run is the layout of its config
    config.FormatCode = lambda text, **options: (text, False)
    # each data set collects garbage, for the memory of large ones
    base_dataset.gc = SimpleNamespace(collect=lambda: 0)


def pytest_collection_finish():
    """Freeze imported objects, so that collecting garbage is quick."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture(scope='session')
def root():
    return ROOT


@pytest.fixture(scope='session')
def shared_data():
    if not SHARED.is_dir():
        pytest.skip('needs ../shared/data, which this checkout does not have')
    return SHARED


@pytest.fixture
def mm_log(caplog):
    """Records of MMEngine's logger, which does not propagate them."""
    from mmengine.logging import MMLogger
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.INFO)
    yield caplog
    logger.removeHandler(caplog.handler)


# Tests of convergence take minutes in the interpreter, but little on a GPU.
FULL = ['torch', pytest.param('triton', marks=(
    () if torch.cuda.is_available() else pytest.mark.slow))]


@pytest.fixture(params=FULL)
def backend(request):
    """Each backend; both have to meet the same tolerances."""
    if request.param == 'triton':
        pytest.importorskip('triton')
    return request.param


@pytest.fixture(params=['torch', 'triton'])
def quick_backend(request):
    """Each backend, with only a few sweeps in the interpreter."""
    if request.param == 'triton':
        pytest.importorskip('triton')
        if not torch.cuda.is_available():
            request.getfixturevalue('short_schedule')
    return request.param


@pytest.fixture
def set_schedule(monkeypatch):
    """A function that replaces the sweeps of both backends."""
    from alignmix_mm.ops import _annealed
    names = ['_annealed', 'align', 'transport']  # one is also a function
    if importlib.util.find_spec('triton'):
        names.append('_triton')
    modules = [importlib.import_module(f'alignmix_mm.ops.{name}')
               for name in names]

    def replace(stages, stage_sweeps, final_sweeps):
        def make_schedule(r, s, num_iters=None, full=_annealed.make_schedule):
            return _annealed.Schedule(stages, stage_sweeps,
                                      num_iters or final_sweeps,
                                      full(r, s).relaxation)

        for module in modules:
            monkeypatch.setattr(module, 'make_schedule', make_schedule)

    return replace


@pytest.fixture
def short_schedule(set_schedule):
    """A few sweeps for both backends; the interpreter takes 1 ms per sweep.

    Errors in masks, bounds and the order of sweeps show after a few.
    Convergence is tested with the torch path, which is the same algorithm.
    """
    set_schedule(1, 2, 4)


def _solver(backend):
    """`assignment` on DEVICE; asserts that the requested backend ran."""
    from problems import DEVICE

    from alignmix_mm.ops import assignment

    def run(cost, *args, **options):
        plan, info = assignment(cost.to(DEVICE), *args, backend=backend,
                                return_info=True, **options)
        assert (info.backend, info.reason) == (backend, 'asked for')
        rows, cols = info.row_sums.cpu(), info.col_sums.cpu()
        return plan.cpu(), info._replace(row_sums=rows, col_sums=cols)

    return run


def _mixer(backend):
    """`align_and_mix` on DEVICE with one backend, results on the CPU."""
    from problems import DEVICE

    from alignmix_mm.ops import align_and_mix

    def move(value):
        return value.to(DEVICE) if isinstance(value, torch.Tensor) else value

    def run(*args, **options):
        mixed, info = align_and_mix(
            *map(move, args), backend=backend, return_info=True,
            **{name: move(value) for name, value in options.items()})
        assert info.backend == backend
        return mixed.cpu()

    return run


@pytest.fixture
def solve(backend):
    return _solver(backend)


@pytest.fixture
def quick_solve(quick_backend):
    return _solver(quick_backend)


@pytest.fixture
def mix(quick_backend):
    return _mixer(quick_backend)


@pytest.fixture
def converged_mix(backend):
    return _mixer(backend)
