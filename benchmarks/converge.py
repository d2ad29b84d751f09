"""Time of the plan alone, until the marginals hold to 1e-3.

The cost is given. The violation is the mean of ``|sum - 1|`` over the batch
and over rows or over columns, whichever is larger.
"""
import functools
import time

import torch
from measure import interleaved, median_ms, paired_ratio
from methods import EPS, authors_plan, ott_plan
from torch import Tensor

from alignmix_mm.ops import assignment

TOLERANCE = 1e-3
CAP = 10_000  # iterations
CHECK = 50  # iterations between two checks of the violation
TIMED = 20  # iterations that are timed and extrapolated


def violation(plan: Tensor) -> float:
    """Violation of assignments ``(B, r, r)``."""
    gaps = [(plan.sum(dim) - 1).abs().mean().item() for dim in (1, 2)]
    return max(gaps)


def plain_iterations(cost: Tensor) -> tuple[int, float]:
    """Run plain iterations in float64 until the violation is small.

    Args:
        cost (Tensor): ``(B, r, r)``, floating point.

    Returns:
        tuple[int, float]: Iterations, at most ``CAP``, and the violation.
    """
    scores = cost.double() / -EPS
    f = scores.new_zeros(scores.shape[0], scores.shape[1], 1)
    g = f.mT
    for n in range(CAP + 1):
        new_f = -torch.logsumexp(scores + g, dim=2, keepdim=True)
        if n and n % CHECK == 0:
            # row sums before the update, when columns are exact
            gap = ((f - new_f).exp() - 1).abs().mean().item()
            if gap <= TOLERANCE:
                break
        f, g = new_f, -torch.logsumexp(scores + new_f, dim=1, keepdim=True)
    return n, gap


def converge(cost: Tensor, few_cost: Tensor, backend: str, rounds: int,
             with_ott: bool) -> dict[str, dict]:
    """Compare times of plans of equal quality.

    All plain iterations would take minutes, so they are counted on a few
    pairs, and a few of them are timed on the batch.

    Args:
        cost (Tensor): ``(B, r, r)``, float32.
        few_cost (Tensor): ``(b, r, r)``; plain iterations are counted on it.
        backend (str): Our backend.
        rounds (int): Calls of each method.
        with_ott (bool): Whether OTT-JAX can run.

    Returns:
        dict[str, dict]: For each method ``ms``, ``times_ours``,
        ``violation``, ``extrapolated``; for the others also ``iterations``
        and ``capped``.
    """
    solve = functools.partial(assignment, cost, EPS)
    seconds = interleaved({
        'ours': lambda: solve(backend=backend),
        'log': lambda: solve('log', num_iters=TIMED),
        'authors': lambda: authors_plan(cost, TIMED)}, rounds)
    iterations, reached = plain_iterations(few_cost)
    info = solve(backend=backend, return_info=True)[1]
    results = dict(ours=dict(
        ms=median_ms(seconds['ours']), times_ours=1., extrapolated=False,
        violation=max(info.row_violation.mean().item(),
                      info.col_violation.mean().item())))
    for key in ('log', 'authors'):
        full = [iterations / TIMED * value for value in seconds[key]]
        results[key] = dict(
            ms=median_ms(full), times_ours=paired_ratio(full, seconds['ours']),
            extrapolated=True, violation=reached, iterations=iterations,
            capped=reached > TOLERANCE)
    if with_ott:
        ott = results['ott'] = converge_ott(cost)
        ott['times_ours'] = ott['ms'] / results['ours']['ms']
    return results


def converge_ott(cost: Tensor) -> dict:
    """Run OTT-JAX once, until every pair is below the tolerance.

    Args:
        cost (Tensor): ``(B, r, r)``, float32.

    Returns:
        dict: ``ms``, ``violation``, ``extrapolated``, ``iterations`` of the
        slowest pair and whether they were ``capped``.
    """
    plan = ott_plan(threshold=TOLERANCE, max_iterations=CAP)
    import jax
    batch = jax.dlpack.from_dlpack(cost)
    solve = jax.jit(jax.vmap(plan)).lower(batch).compile()
    start = time.perf_counter()
    plans, iterations = jax.block_until_ready(solve(batch))
    seconds = time.perf_counter() - start
    iterations = int(iterations.max())
    return dict(
        ms=1e3 * seconds, violation=violation(torch.from_dlpack(plans)),
        extrapolated=False, iterations=iterations, capped=iterations >= CAP)
