"""The Triton kernels of a whole mix, as operators of torch."""
import pytest
import torch
from problems import DEVICE
from torch.utils.checkpoint import checkpoint

from alignmix_mm.ops import align_and_mix

_triton = pytest.importorskip('alignmix_mm.ops._triton', exc_type=ImportError)

PERM = torch.tensor([2, 0, 3, 1], device=DEVICE)  # not its own inverse
LAM = torch.tensor([.15, .4, .75, .95], device=DEVICE)


def maps(r=9, c=6, **options):
    return torch.randn(4, c, r, device=DEVICE, **options)


@pytest.mark.parametrize('swap', [False, True])
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


@pytest.mark.parametrize('index', [-1, 4, 2**40])
def test_a_partner_that_does_not_exist_is_not_read(short_schedule, index):
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


@pytest.mark.parametrize('r, channels, channels_last', [
    (5, 1, False), (5, 33, True), (5, 300, False), (33, 70, False)])
def test_channels_are_summed_and_mixed_in_blocks(short_schedule, r, channels,
                                                 channels_last):
    """In several blocks, and the sum in several parts."""
    x = maps(r, c=channels)[:2]
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
