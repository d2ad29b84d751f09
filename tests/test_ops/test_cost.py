import pytest
import torch

from alignmix_mm.ops import assignment, pairwise_cost
from alignmix_mm.ops.cost import cross_cost


@pytest.mark.parametrize('shape', [(3, 5, 7, 7), (2, 1, 4, 9), (1, 33, 1, 1)])
def test_equals_squared_cdist_in_float64(shape):
    batch, c, r, s = shape
    a, b = torch.randn(batch, c, r), torch.randn(batch, c, s)
    expected = torch.cdist(a.double().mT, b.double().mT).square()
    cost = pairwise_cost(a, b)
    assert cost.dtype == torch.float32 and cost.shape == (batch, r, s)
    # float32 Gram form: 2^-24 of |a|^2 + |b|^2 (at most 200 here), few terms
    torch.testing.assert_close(cost.double(), expected, atol=1e-4, rtol=0)


def test_common_offset_costs_no_digits():
    a, b = torch.randn(2, 64, 16), torch.randn(2, 64, 16)
    # without centring, cancellation leaves errors of 2^-24 * 64e6 = 4
    shifted = pairwise_cost(a + 1e3, b + 1e3)
    # adding 1e3 alone rounds a and b by 3e-5, i.e. distances by 64 * 1e-4
    torch.testing.assert_close(shifted, pairwise_cost(a, b), atol=1e-2, rtol=0)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_features_have_a_float32_cost(dtype):
    a, b = torch.randn(2, 9, 5).to(dtype), torch.randn(2, 9, 6).to(dtype)
    assert torch.equal(pairwise_cost(a, b),
                       pairwise_cost(a.float(), b.float()))


def test_autocast_does_not_touch_it():
    a, b = torch.randn(2, 64, 9), torch.randn(2, 64, 9)
    expected = pairwise_cost(a, b)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(pairwise_cost(a, b), expected)


def test_is_never_negative():
    a = torch.randn(4, 512, 16) * 100
    assert pairwise_cost(a, a).min() >= 0


def test_memory_does_not_grow_with_channels():
    # the broadcast form needs B * r * r * c floats: 1.2 GB here
    a = torch.randn(4, 2048, 196)
    with torch.profiler.profile(profile_memory=True) as profile:
        pairwise_cost(a, a)
    largest = max(event.self_cpu_memory_usage
                  for event in profile.key_averages())
    assert largest <= 4 * a.numel() * a.element_size()


@pytest.mark.parametrize('shapes', [((2, 3, 4), (2, 5, 4)),
                                    ((2, 3, 4), (3, 3, 4)),
                                    ((2, 3, 2, 2), (2, 3, 2, 2))])
def test_wrong_shapes_are_named(shapes):
    a, b = (torch.zeros(shape) for shape in shapes)
    with pytest.raises(ValueError, match=r'\(B, c, r\).*but got.*flatten'):
        pairwise_cost(a, b)


def doubly_centered(cost):
    rows, cols = cost.mean(2, keepdim=True), cost.mean(1, keepdim=True)
    return cost - rows - cols + cost.mean((1, 2), keepdim=True)


def test_cross_cost_differs_by_terms_of_rows_and_columns():
    a, b = torch.randn(2, 5, 7).double(), torch.randn(2, 5, 9).double()
    full = torch.cdist(a.mT, b.mT).square()
    torch.testing.assert_close(
        doubly_centered(cross_cost(a, b).double()), doubly_centered(full),
        atol=1e-5, rtol=0)


def test_cross_cost_has_the_same_converged_plan():
    a, b = torch.randn(3, 16, 9) * 3, torch.randn(3, 16, 9) * 3
    torch.testing.assert_close(
        assignment(cross_cost(a, b)), assignment(pairwise_cost(a, b)),
        atol=1e-3, rtol=0)  # costs of 300 eps resolve to 2e-4 of a plan


@pytest.mark.skipif(torch.cuda.is_available(), reason='of CPUs')
@pytest.mark.parametrize('function', [pairwise_cost, cross_cost])
@pytest.mark.parametrize('numbers, parts', [(1, 7), (2 * 35, 4), (1000, 1)])
def test_a_few_pairs_at_a_time(monkeypatch, function, numbers, parts):
    """Seven pairs of 5 channels, 7 and 4 positions; distances by loops."""
    from alignmix_mm.ops import cost
    sizes, centered = [], cost._centered
    monkeypatch.setattr(cost, 'CPU_NUMBERS', numbers)
    monkeypatch.setattr(cost, '_centered', lambda a, b: (
        sizes.append(len(a)), centered(a, b))[1])
    a, b = torch.randn(7, 5, 7), torch.randn(7, 5, 4)
    found = function(a, b)
    assert len(sizes) == parts and sum(sizes) == 7
    center = b.mean(2, keepdim=True)
    for pair, x, y in zip(found, a - center, b - center):
        for i in range(7):
            for j in range(4):
                expected = ((x[:, i] - y[:, j])**2).sum() if (
                    function is pairwise_cost) else -2 * x[:, i] @ y[:, j]
                torch.testing.assert_close(pair[i, j], expected,
                                           atol=1e-5, rtol=1e-5)
