"""The Triton kernels of a plan: the algorithm of plain torch."""
import numpy as np
import pytest
import torch
from problems import DEVICE, RANDOM_KINDS, random_maps

from alignmix_mm.ops import align_and_mix, assignment, pairwise_cost

pytest.importorskip('triton')
_kernels = pytest.importorskip('alignmix_mm.ops._kernels')
_kernels_rows = pytest.importorskip('alignmix_mm.ops._kernels_rows')


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


@pytest.mark.parametrize('r', [3, 16, 65])
def test_every_entry_is_written(short_schedule, r):
    """Memory that nobody wrote is NaN here."""
    perm = torch.tensor([1, 0], device=DEVICE)
    torch.use_deterministic_algorithms(True)
    try:
        assert torch.empty(3, device=DEVICE).isnan().all()  # as announced
        cost = torch.rand(1, r, r, device=DEVICE)
        plan, info = assignment(cost, backend='triton', return_info=True)
        x = torch.randn(2, 65, r, 1, device=DEVICE)
        mixed = align_and_mix(x, x, .4, perm=perm, backend='triton')
    finally:
        torch.use_deterministic_algorithms(False)
    for tensor in plan, info.row_sums, info.col_sums, mixed:
        assert torch.isfinite(tensor).all()


@pytest.mark.parametrize('r', [4, 49, 66])
def test_results_keep_their_tolerance_with_a_rough_logarithm(
        monkeypatch, set_schedule, r):
    """`lg2.approx` of a GPU errs by 2^-22; the interpreter has another."""
    if DEVICE == 'cuda':
        pytest.skip('the logarithm is in machine code')
    if r == 66:
        set_schedule(3, 4, 8)
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
