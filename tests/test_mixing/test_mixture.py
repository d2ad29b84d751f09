"""What a mixed sample is made of: weights as lists and as a matrix."""
import itertools

import pytest
import torch

from alignmix_mm.mixing import AlignedPairs, Pairs, WeightedSum

PERM = torch.tensor([3, 0, 4, 1, 2])
LAM = torch.tensor([0., .25, .5, .9, 1.])


def by_loops(x, parents, weights):
    """Sums in float64, sample by sample."""
    rows = []
    for own, shares in zip(parents.tolist(), weights.tolist()):
        row = torch.zeros(x.shape[1:], dtype=torch.float64)
        for parent, share in zip(own, shares):
            row += share * x[parent].double()
        rows.append(row)
    return torch.stack(rows)


def weighted(count, several, size=5):
    """Random weights; some parents come twice in a sample."""
    numbers = torch.Generator().manual_seed(several)
    parents = torch.randint(size, (count, several), generator=numbers)
    weights = torch.rand(count, several, generator=numbers)
    return WeightedSum(parents, weights / weights.sum(1, keepdim=True))


SUMS = [weighted(count, several)
        for count, several in itertools.product((1, 5, 8), (1, 2, 3, 7))]
PAIRS = [Pairs(lam, PERM, swap) for lam in (LAM, torch.tensor(.3))
         for swap in (False, True)]
ALIGNED = [AlignedPairs(LAM, PERM, swap) for swap in (False, True)]
ALL = [*SUMS, *PAIRS, *ALIGNED]


def name(mixture):
    parents, _ = mixture.shares()
    swapped = '-swapped' * getattr(mixture, 'swap', False)
    count, several = parents.shape
    return f'{type(mixture).__name__}-{count}x{several}{swapped}'


@pytest.mark.parametrize('mixture', ALL, ids=name)
@pytest.mark.parametrize('shape', [(7, ), (3, 4, 6)], ids=str)
def test_is_the_weighted_sum_of_the_parents(mixture, shape):
    x = torch.randn(5, *shape)
    before = x.clone()
    parents, weights = mixture.shares()
    assert parents.dtype == torch.int64 and weights.dtype == torch.float32
    assert parents.shape == weights.shape
    torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)))
    expected = by_loops(x, parents, weights).float()
    torch.testing.assert_close(mixture(x), expected)
    torch.testing.assert_close(mixture.unaligned()(x), expected)
    assert torch.equal(x, before)


@pytest.mark.parametrize('mixture', ALL, ids=name)
def test_the_matrix_mixes_alike(mixture):
    matrix = mixture.matrix(5)
    assert matrix.dtype == torch.float32
    assert matrix.shape == (len(mixture.shares()[0]), 5)
    assert (matrix >= 0).all()
    torch.testing.assert_close(matrix.sum(1), torch.ones(len(matrix)))
    y = torch.rand(5, 9)
    torch.testing.assert_close(matrix @ y, mixture(y))


@pytest.mark.parametrize('mixture', [*SUMS, *PAIRS], ids=name)
def test_maps_and_parts_are_mixed_as_all_else(mixture):
    x, e = torch.randn(5, 3, 4, 6), torch.randn(5, 2)
    torch.testing.assert_close(mixture.mix_map(x), mixture(x))
    assert mixture.measure(x) is None and not mixture.aligns
    for part, mixed in zip((x, e), mixture.mix_parts((x, e))):
        torch.testing.assert_close(mixed, mixture(part))


@pytest.mark.parametrize('swap', [False, True])
@pytest.mark.parametrize('kind', [Pairs, AlignedPairs])
def test_shares_of_pairs(kind, swap):
    """The anchor first, with lambda; the partner is the other one."""
    parents, weights = kind(LAM, PERM, swap).shares()
    own = torch.arange(5)
    anchors, partners = (PERM, own) if swap else (own, PERM)
    assert torch.equal(parents, torch.stack([anchors, partners], 1))
    torch.testing.assert_close(weights, torch.stack([LAM, 1 - LAM], 1))
    shared = kind(torch.tensor(.3), PERM, swap).shares()[1]
    torch.testing.assert_close(shared, torch.tensor([.3, .7]).expand(5, 2))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16,
                                   torch.float32, torch.float64])
@pytest.mark.parametrize('mixture', [SUMS[6], *PAIRS[:2]], ids=name)
def test_sums_are_exact_and_rounded_once(mixture, dtype):
    """1 and small parts: each would be lost in a sum of few bits."""
    x = torch.cat([torch.full((4, 64), 1.), torch.rand(1, 64)]).to(dtype)
    expected = by_loops(x, *mixture.shares())
    mixed = mixture(x)
    assert mixed.dtype == dtype
    eps = max(torch.finfo(dtype).eps, 2 * torch.finfo(torch.float32).eps)
    assert (mixed.double() - expected).abs().max() <= eps / 2 * 1.001


@pytest.mark.parametrize('mixture', [SUMS[6], SUMS[3], *PAIRS], ids=name)
def test_gradients_reach_all_parents(mixture):
    x = torch.randn(5, 3, requires_grad=True)
    weight = torch.randn(len(mixture.shares()[0]), 3)
    (mixture(x) * weight).sum().backward()
    torch.testing.assert_close(x.grad, mixture.matrix(5).T @ weight)


def test_pairs_are_a_weighted_sum():
    x = torch.randn(5, 3)
    for pairs in PAIRS:
        torch.testing.assert_close(WeightedSum(*pairs.shares())(x), pairs(x))
