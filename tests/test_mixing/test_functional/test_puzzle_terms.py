"""Costs and energy of PuzzleMix against loops over pixels and edges."""
from math import comb, log

import numpy as np
import pytest
import torch

from alignmix_mm.mixing.functional import puzzle_costs, puzzle_energy
from alignmix_mm.mixing.functional._blocks import block_shares

EXACT = dict(rtol=0, atol=1e-13)  # sums of some hundred terms below 1


def batch(size=12, count=3, channels=2):
    images = torch.rand(count, channels, size, size, dtype=torch.float64)
    saliency = torch.rand(count, size, size, dtype=torch.float64)
    return images, saliency, torch.tensor([2, 0, 1])[:count]


def shares(saliency, n):
    side = len(saliency) // n
    blocks = np.array([[saliency[y * side:(y + 1) * side,
                                 x * side:(x + 1) * side].mean()
                        for x in range(n)] for y in range(n)])
    return blocks / blocks.sum()


def expected(own, partner, s_own, s_partner, lam, n, L, beta, gamma, eta, nu):
    """One pair, NumPy: unary (n, n, L) and weights by pair of blocks."""
    side = own.shape[-1] // n
    nu = min(nu, side)
    b = beta / n / 16
    pooled = []
    for image in partner, own:  # index 1 is the image itself
        count = image.shape[-1] // nu
        pooled.append(np.array([[[
            c[y * nu:y * nu + nu, x * nu:x * nu + nu].mean()
            for x in range(count)] for y in range(count)] for c in image]))
    k = side // nu
    hidden = {0: shares(s_own, n), 1: shares(s_partner, n)}  # by what is shown
    weights = {}
    for y in range(n):
        for x in range(n):
            for down in True, False:
                y2, x2 = (y + 1, x) if down else (y, x + 1)
                if max(y2, x2) == n:
                    continue
                d = np.zeros((2, 2))
                for p in 0, 1:
                    for q in 0, 1:
                        one = pooled[p][:, y * k:y * k + k, x * k:x * k + k]
                        two = pooled[q][:, y2 * k:y2 * k + k,
                                        x2 * k:x2 * k + k]
                        border = (one[:, -1] - two[:, 0] if down else
                                  one[:, :, -1] - two[:, :, 0])
                        d[p, q] = np.abs(border).mean() * b * gamma
                for p in 0, 1:
                    hidden[p][y, x] += d[p].mean()
                    hidden[p][y2, x2] += d[:, p].mean()
                weights[y, x, y2, x2] = (
                    d[1, 0] + d[0, 1] - d[1, 1] - d[0, 0]) / 2 + b
    unary = np.zeros((n, n, L))
    for label in range(L):
        m = 1 - label / (L - 1)
        chance = comb(L - 1, label) * lam**(L - 1 - label) * (1 - lam)**label
        unary[..., label] = (m * hidden[1] + (1 - m) * hidden[0]
                             - eta / n**2 * log(chance + 1e-8))
    return unary, weights


@pytest.mark.parametrize('n, L, nu', [
    (2, 2, 6), (2, 3, 3), (3, 3, 2), (3, 4, 1), (4, 2, 4), (6, 3, 4)])
def test_costs_by_loops_over_pixels(n, L, nu):
    images, saliency, perm = batch()
    lam = torch.tensor([.3, .9, .5], dtype=torch.float64)
    options = dict(beta=1.1, gamma=.7, eta=.3)
    unary, down, right = puzzle_costs(
        images, saliency, perm, lam, n, neigh_size=nu, num_labels=L, **options)
    assert down.shape == (3, n - 1, n) and right.shape == (3, n, n - 1)
    for i, j in enumerate(perm):
        costs, weights = expected(
            images[i].numpy(), images[j].numpy(), saliency[i].numpy(),
            saliency[j].numpy(), lam[i].item(), n, L, nu=nu, **options)
        torch.testing.assert_close(unary[i], torch.tensor(costs), **EXACT)
        for (y, x, y2, _), weight in weights.items():
            ours = down[i, y, x] if y2 > y else right[i, y, x]
            assert abs(ours - weight) < 1e-13


def test_defaults_are_those_of_the_paper():
    images, saliency, perm = batch(16)
    by_hand = puzzle_costs(images, saliency, perm, .4, 2, beta=1.2, gamma=.5,
                           eta=.2, neigh_size=4, num_labels=3)
    for ours, wanted in zip(puzzle_costs(images, saliency, perm, .4, 2),
                            by_hand):
        torch.testing.assert_close(ours, wanted, rtol=0, atol=0)


def test_constant_images_leave_shares_and_smoothness():
    images, saliency, perm = batch()
    unary, down, right = puzzle_costs(torch.ones_like(images), saliency, perm,
                                      .5, 3, eta=0)
    share = block_shares(saliency, 3)
    torch.testing.assert_close(unary[..., 0], share[perm], **EXACT)
    torch.testing.assert_close(unary[..., 1], (share + share[perm]) / 2,
                               **EXACT)
    torch.testing.assert_close(unary[..., 2], share, **EXACT)
    for weight in down, right:
        torch.testing.assert_close(
            weight, torch.full_like(weight, 1.2 / 3 / 16), **EXACT)


@pytest.mark.parametrize('lam, sure', [(1, 0), (0, 2)])
def test_the_prior_is_finite_at_the_ends(lam, sure):
    images, saliency, perm = batch()
    with_prior, without = (
        puzzle_costs(images, saliency, perm, lam, 3, eta=eta)[0]
        for eta in (.2, 0))
    prior = with_prior - without
    for label in range(3):
        value = -.2 / 9 * log((label == sure) + 1e-8)
        torch.testing.assert_close(
            prior[..., label], torch.full_like(prior[..., 0], value), **EXACT)


def test_partners_see_the_same_costs_in_reverse():
    images, saliency, _ = batch(count=2)
    lam = torch.tensor([.2, .8], dtype=torch.float64)
    unary, *weights = puzzle_costs(images, saliency, torch.tensor([1, 0]),
                                   lam, 3, num_labels=4)
    torch.testing.assert_close(unary[0], unary[1].flip(-1), **EXACT)
    for weight in weights:
        torch.testing.assert_close(weight[0], weight[1], **EXACT)


def test_the_order_of_the_batch_does_not_matter():
    images, saliency, perm = batch()
    lam = torch.tensor([.3, .9, .5], dtype=torch.float64)
    order = torch.tensor([1, 2, 0])
    moved = puzzle_costs(images[order], saliency[order],
                         order.argsort()[perm[order]], lam[order], 3)
    for ours, wanted in zip(moved, puzzle_costs(images, saliency, perm, lam,
                                                3)):
        torch.testing.assert_close(ours, wanted[order], rtol=0, atol=0)


def test_weights_are_positive_for_the_worst_images():
    """Checkerboards of blocks: both images jump where a mixed one does not."""
    board = (torch.arange(4)[:, None] + torch.arange(4)) % 2
    board = board.double().repeat_interleave(2, 0).repeat_interleave(2, 1)
    images = torch.stack((board, 1 - board))[:, None]
    _, *weights = puzzle_costs(images, images[:, 0], torch.tensor([1, 0]), .5,
                               4)
    for weight in weights:  # b (1 - gamma)
        torch.testing.assert_close(
            weight, torch.full_like(weight, 1.2 / 4 / 16 / 2), **EXACT)


def test_float32_stays_and_arguments_too():
    images, saliency, perm = batch()
    exact = puzzle_costs(images, saliency, perm, .3, 3)
    images, saliency = images.float(), saliency.float()
    copies = images.clone(), saliency.clone(), perm.clone()
    for ours, wanted in zip(puzzle_costs(images, saliency, perm, .3, 3),
                            exact):
        assert ours.dtype == torch.float32
        # costs below 1, 7 digits
        torch.testing.assert_close(ours.double(), wanted, rtol=0, atol=2e-6)
    for now, before in zip((images, saliency, perm), copies):
        assert torch.equal(now, before)


@pytest.mark.parametrize('n', [1, 2, 3, 6])
def test_shares(n):
    saliency = torch.rand(2, 6, 6, dtype=torch.float64)
    saliency[1] = 0
    share = block_shares(saliency, n)
    torch.testing.assert_close(share[0],
                               torch.tensor(shares(saliency[0].numpy(), n)))
    assert torch.equal(share[1], torch.full_like(share[1], 1 / n**2))


def test_energy_is_the_sum_of_its_terms():
    n, L = 3, 4
    unary, down, right = (torch.rand(2, *shape, dtype=torch.float64)
                          for shape in ((n, n, L), (n - 1, n), (n, n - 1)))
    labels = torch.randint(L, (2, n, n))
    masks = 1 - labels.double() / (L - 1)
    energies = puzzle_energy(masks, unary, down, right)
    for b in range(2):
        total = 0.
        for y in range(n):
            for x in range(n):
                total += unary[b, y, x, labels[b, y, x]]
                if y + 1 < n:
                    total += down[b, y, x] * (
                        masks[b, y, x] - masks[b, y + 1, x])**2
                if x + 1 < n:
                    total += right[b, y, x] * (
                        masks[b, y, x] - masks[b, y, x + 1])**2
        assert abs(energies[b] - total) < 1e-13
    assert puzzle_energy(masks.float(), unary.float(), down.float(),
                         right.float()).dtype == torch.float32


@pytest.mark.parametrize('arguments, message', [
    (dict(size=(12, 16)), '12 x 16'),
    (dict(n=5), 'multiple of `blocks`, but got 12 x 12 and blocks=5'),
    (dict(n=0), 'blocks=0'),
    (dict(n=2, neigh_size=4), 'neigh_size=4 and blocks of 6 x 6'),
    (dict(n=2, neigh_size=0), 'neigh_size=0'),
    (dict(num_labels=5), r'one of \(2, 3, 4\), but got 5'),
    (dict(maps=6), r'\(2, 3, 12, 12\) and \(2, 6, 6\)')])
def test_sizes_that_do_not_fit(arguments, message):
    size = arguments.pop('size', (12, 12))
    maps = arguments.pop('maps', None)
    images = torch.rand(2, 3, *size)
    saliency = torch.rand(2, *((maps, maps) if maps else size))
    with pytest.raises(ValueError, match=message):
        puzzle_costs(images, saliency, torch.tensor([1, 0]), .5,
                     arguments.pop('n', 3), **arguments)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('lam', [0., 1., torch.tensor([0., .3, 1.])])
def test_half_precision_has_a_floor(dtype, lam):
    """1e-8 is 0 in float16."""
    images, saliency, perm = batch()
    lam_half = lam.to(dtype) if isinstance(lam, torch.Tensor) else lam
    found = puzzle_costs(images.to(dtype), saliency.to(dtype), perm, lam_half,
                         blocks=4)[0]
    assert found.dtype == dtype and found.isfinite().all()
    exact = puzzle_costs(images, saliency, perm, lam, blocks=4)[0]
    # an eighth: shares of a few bits; lam of .3 is rounded too
    torch.testing.assert_close(found.double(), exact, rtol=.125, atol=.02)
