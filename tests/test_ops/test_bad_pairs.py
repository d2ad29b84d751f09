"""A pair without usable costs changes no other pair of its batch."""
import math

import pytest
import torch
from problems import gaussian_cost

from alignmix_mm.ops import align_and_mix, assignment

OTHERS = [0, 1, 3]  # pair 2 is bad
BAD = {
    'nan': lambda pair: pair.fill_(math.nan),
    'one-nan': lambda pair: pair[0, 1].fill_(math.nan),
    'inf': lambda pair: pair.fill_(math.inf),
    'inf-row': lambda pair: pair[1].fill_(math.inf),
    'inf-column': lambda pair: pair[:, 1].fill_(math.inf),
    'one-inf': lambda pair: pair[0, 1].fill_(math.inf),
    'minus-inf': lambda pair: pair[2].fill_(-math.inf),
    'huge': lambda pair: pair[0].fill_(1e34),
    'largest': lambda pair: pair.fill_(torch.finfo(torch.float32).max),
}
EARLY = dict(solver='log', tol=.05, return_info=True)


def batches(bad, r=5, s=5):
    """A batch with a bad pair, and the same one with a usable pair."""
    good = gaussian_cost(4, 8, r, s, scale=.4)
    batch = good.clone()
    BAD[bad](batch[2])
    return batch, good


@pytest.mark.parametrize('end', ['row', 'col'])
@pytest.mark.parametrize('bad', BAD)
def test_the_early_stop_looks_at_finite_pairs(bad, end):
    """Otherwise all 100 iterations run, which changes the others."""
    batch, good = batches(bad)
    _, alone = assignment(good[OTHERS], end=end, **EARLY)
    plan, info = assignment(batch, end=end, **EARLY)
    assert info.sweeps == alone.sweeps and 3 < alone.sweeps < 50
    expected = assignment(good, solver='log', end=end,
                          num_iters=int(alone.sweeps))
    assert torch.equal(plan[OTHERS], expected[OTHERS])
    late = assignment(good, solver='log', end=end)
    assert (late - plan)[OTHERS].abs().max() > 1e-3  # the stop matters


def test_of_several_bad_pairs_none_counts():
    good = gaussian_cost(3, 8, 4, 7, scale=.2)
    bad = torch.full_like(good, math.nan)
    bad[1] = math.inf
    plan, info = assignment(torch.cat([bad, good]), **EARLY)
    expected, alone = assignment(good, **EARLY)
    assert info.sweeps == alone.sweeps < 100
    torch.testing.assert_close(plan[3:], expected, rtol=0, atol=1e-6)


def test_without_finite_pairs_all_iterations_run():
    """What forbidden pairs need is not guessed from pairs that are NaN."""
    cost = gaussian_cost(2, 8, 5, 5, scale=.2)
    cost[:, 0, 1] = math.inf
    plan, info = assignment(cost, **EARLY)
    assert info.sweeps == 100
    assert torch.equal(plan, assignment(cost, solver='log'))
    assert (plan[:, 0, 1] == 0).all()


@pytest.mark.parametrize('r, s', [(5, 5), (3, 7), (49, 49)])
@pytest.mark.parametrize('solver', ['annealed', 'log'])
@pytest.mark.parametrize('bad', BAD)
def test_without_an_early_stop_pairs_are_independent(bad, solver, r, s):
    batch, good = batches(bad, r, s)
    assert torch.equal(assignment(batch, solver=solver)[OTHERS],
                       assignment(good, solver=solver)[OTHERS])


@pytest.mark.parametrize('options', [
    dict(), dict(solver='log'), dict(solver='log', tol=1.)],
    ids=['annealed', 'log', 'tol'])
@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_features_that_are_not_finite_stay_in_their_pair(value, options):
    a, b = torch.randn(2, 4, 8, 3, 3) / 5
    b[2] = a[2]  # settles at once, as a pair that does not count
    expected = align_and_mix(a, b, .4, **options)
    b[2, 0, 1, 1] = value
    found = align_and_mix(a, b, .4, **options)
    assert torch.equal(found[OTHERS], expected[OTHERS])
    assert not found[2].isfinite().all()
