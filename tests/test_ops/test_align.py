import pytest
import torch

from alignmix_mm.ops import align, align_and_mix, assignment, pairwise_cost
from alignmix_mm.ops.cost import cross_cost


def test_column_i_is_the_mean_of_what_row_i_points_to():
    b, plan = torch.randn(2, 3, 5), torch.rand(2, 4, 5)
    aligned = align(b, plan)
    for n in range(2):
        for i in range(4):
            expected = sum(plan[n, i, j] * b[n, :, j] for j in range(5))
            torch.testing.assert_close(aligned[n, :, i], expected)


def test_align_keeps_the_dtype_and_sums_in_float32():
    b = torch.randn(2, 8, 49).half()
    plan = assignment(torch.rand(2, 49, 49))
    expected = align(b.float(), plan).half()
    assert torch.equal(align(b, plan), expected)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(align(b, plan), expected)


def test_mixing_is_alignment_and_interpolation():
    a, b = torch.randn(3, 6, 3, 5), torch.randn(3, 6, 3, 5)
    lam = torch.tensor([0.2, 0.5, 0.9])
    plan = assignment(pairwise_cost(a.flatten(2), b.flatten(2)))
    aligned = align(b.flatten(2), plan).view_as(a)
    weight = lam.view(-1, 1, 1, 1)
    # the cost is computed in two ways, with other roundings
    torch.testing.assert_close(
        align_and_mix(a, b, lam), weight * a + (1 - weight) * aligned,
        atol=1e-4, rtol=0)


@pytest.mark.parametrize('lam', [.3, torch.tensor(.3), torch.full((3, ), .3)])
def test_lambda_for_the_batch_or_for_each_sample(lam):
    a, b = torch.randn(3, 6, 4, 4), torch.randn(3, 6, 4, 4)
    expected = align_and_mix(a, b, torch.full((3, ), 0.3))
    torch.testing.assert_close(align_and_mix(a, b, lam), expected)


def test_the_plain_iteration_sees_the_full_cost():
    """Before convergence, terms of a column alone change the plan."""
    a, b = torch.randn(2, 32, 4, 4) * 3, torch.randn(2, 32, 4, 4) * 3
    cost = pairwise_cost(a.flatten(2), b.flatten(2))
    plan = assignment(cost, solver='log', end='col')
    expected = 0.3 * a + 0.7 * align(b.flatten(2), plan).view_as(a)
    mixed = align_and_mix(a, b, 0.3, solver='log', end='col')
    torch.testing.assert_close(mixed, expected, atol=1e-3, rtol=0)


def test_lambda_one_is_the_anchor():
    a, b = torch.randn(3, 6, 4, 4), torch.randn(3, 6, 4, 4)
    assert torch.equal(align_and_mix(a, b, 1.0), a)


def test_perm_chooses_the_partner():
    x, lam = torch.randn(4, 6, 3, 3), torch.rand(4)
    perm = torch.tensor([1, 2, 3, 0])  # not its own inverse
    assert torch.equal(
        align_and_mix(x, x, lam, perm=perm), align_and_mix(x, x[perm], lam))


def test_partner_may_have_another_size():
    a, b = torch.randn(2, 6, 3, 5), torch.randn(2, 6, 4, 4)
    assert align_and_mix(a, b, 0.5).shape == a.shape


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16,
                                   torch.float64])
def test_any_dtype_and_memory_layout(dtype):
    a, b = torch.randn(2, 8, 4, 4), torch.randn(2, 8, 4, 4)
    low_a, low_b = a.to(dtype), b.to(dtype)
    expected = align_and_mix(low_a.float(), low_b.float(), 0.4)
    mixed = align_and_mix(
        low_a.contiguous(memory_format=torch.channels_last),
        low_b.mT.contiguous().mT, 0.4)
    assert mixed.dtype == dtype
    # float64 features keep their digits, half precision rounds the result
    torch.testing.assert_close(mixed, expected.to(dtype), atol=1e-5, rtol=1e-3)


def test_devices_without_autocast():
    a = torch.zeros(2, 3, 4, 4, device='meta')
    assert align_and_mix(a, a, 0.4).shape == a.shape


@pytest.mark.parametrize('solver', ['annealed', 'log'])
def test_torch_compile_changes_nothing(solver):
    a = torch.randn(2, 8, 3, 3, requires_grad=True)
    b = torch.randn(2, 8, 3, 3, requires_grad=True)

    def loss(a, b):
        return align_and_mix(a, b, 0.4, solver=solver).square().sum()

    gradients = [torch.autograd.grad(function(a, b), (a, b)) for function in (
        loss, torch.compile(loss, backend='eager'))]
    for expected, got in zip(*gradients):
        torch.testing.assert_close(got, expected)


def test_autocast_changes_nothing():
    a, b = torch.randn(2, 64, 4, 4), torch.randn(2, 64, 4, 4)
    expected = align_and_mix(a, b, 0.4)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(align_and_mix(a, b, 0.4), expected)


def test_gradients_flow_through_the_features_alone():
    """With R fixed: dA = lam W, dA' = (1 - lam) W R. In float64."""
    a = torch.randn(2, 5, 3, 3, dtype=torch.float64, requires_grad=True)
    b = torch.randn(2, 5, 3, 3, dtype=torch.float64, requires_grad=True)
    lam = torch.tensor([0.3, 0.8], dtype=torch.float64)
    plan = assignment(cross_cost(a.flatten(2), b.flatten(2))).double()
    weights = torch.randn_like(a)
    (align_and_mix(a, b, lam) * weights).sum().backward()
    weight = lam.view(-1, 1, 1)
    w = weights.flatten(2)
    torch.testing.assert_close(a.grad.flatten(2), weight * w)
    torch.testing.assert_close(
        b.grad.flatten(2), (1 - weight) * torch.bmm(w, plan))


def test_options_reach_the_transport():
    a, b = torch.randn(2, 64, 4, 4) * 3, torch.randn(2, 64, 4, 4) * 3
    plain = align_and_mix(a, b, 0., solver='log', num_iters=100)
    assert not torch.allclose(plain, align_and_mix(a, b, 0.), atol=1e-2)
    with pytest.raises(ValueError, match='solver'):
        align_and_mix(a, b, 0.5, solver='lp')


@pytest.mark.parametrize('shapes', [((2, 3, 4), (2, 3, 4)),
                                    ((2, 3, 4, 4), (2, 5, 4, 4))])
def test_wrong_shapes_are_named(shapes):
    a, b = (torch.zeros(shape) for shape in shapes)
    with pytest.raises(ValueError, match='feature maps'):
        align_and_mix(a, b, 0.5)
    with pytest.raises(ValueError, match='Expected `b`'):
        align(torch.zeros(2, 3, 4), torch.zeros(2, 4, 5))
