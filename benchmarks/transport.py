#!/usr/bin/env python
"""Time alignment and mixing against the iterations that others use.

Every method gets feature maps and returns the mixed map: cost, plan,
alignment, interpolation. Errors are those of the mixed map for lambda = 0.3
against POT's converged plan in float64, on a few pairs.
"""
import argparse
import sys
from pathlib import Path

import numpy as np
import ot
import torch
from measure import RESULTS, interleaved, median_ms, paired_ratio, write
from torch import Tensor

from alignmix_mm.ops import align, align_and_mix, assignment, pairwise_cost
from alignmix_mm.ops._reference import log_sinkhorn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'tools'))
from verify_sinkhorn import golden_plan

LAM = 0.3
EPS = 0.1
GOLDEN_PAIRS = 4
# Goals of this project: how many times faster than each, and largest error.
GOALS = {
    'S16': dict(authors=10, pot=6, compiled=1.2, error=1e-4),
    'S49': dict(authors=20, pot=4, compiled=1.1, error=1e-3),
    'S64': dict(authors=35, pot=12, compiled=1.4, error=4e-3),
    'S196': dict(authors=60, pot=7, compiled=1.0, error=2e-3),
}


def interpolate(a: Tensor, b: Tensor, plan: Tensor) -> Tensor:
    """Mix with a plan given, as two operations."""
    return LAM * a + (1 - LAM) * align(b, plan)


def ours(a: Tensor, b: Tensor) -> Tensor:
    """The annealed solver, as the neck calls it."""
    mixed = align_and_mix(a.unsqueeze(3), b.unsqueeze(3), LAM, EPS)
    return mixed.squeeze(3)


def ours_log(a: Tensor, b: Tensor) -> Tensor:
    """The plain iteration in our implementation."""
    return interpolate(a, b, assignment(pairwise_cost(a, b), EPS, 'log'))


def authors(a: Tensor, b: Tensor) -> Tensor:
    """The published loop: broadcast cost, a value read back each iteration.

    The cost is built for a few pairs at a time, to bound its memory.
    """
    cost = torch.cat([
        (x.mT.unsqueeze(2) - y.mT.unsqueeze(1)).square().sum(3)
        for x, y in zip(a.split(6), b.split(6))])
    r = cost.shape[1]
    log_mu = torch.log(torch.full((1, r), 1 / r) + 1e-8)
    u, v = torch.zeros(cost.shape[0], r), torch.zeros(cost.shape[0], r)
    for _ in range(100):
        last = u
        scores = (-cost + u.unsqueeze(2) + v.unsqueeze(1)) / EPS
        u = EPS * (log_mu - torch.logsumexp(scores, 2)) + u
        scores = (-cost + u.unsqueeze(2) + v.unsqueeze(1)) / EPS
        v = EPS * (log_mu - torch.logsumexp(scores, 1)) + v
        if (u - last).abs().sum(1).mean().item() < 0.1:
            break
    plan = torch.exp((-cost + u.unsqueeze(2) + v.unsqueeze(1)) / EPS)
    return interpolate(a, b, r * plan)


def pot(a: Tensor, b: Tensor) -> Tensor:
    """POT's batched cost and solver, 100 iterations."""
    cost = ot.dist_batch(a.mT.contiguous(), b.mT.contiguous())
    solution = ot.solve_batch(cost, EPS, max_iter=100, tol=0., grad='detach')
    return interpolate(a, b, cost.shape[1] * solution.plan)


def floor(a: Tensor, b: Tensor) -> Tensor:
    """Mixing without alignment."""
    return torch.lerp(b, a, LAM)


def measure(name: str, a: Tensor, b: Tensor, compiled, rounds: int) -> dict:
    """Time all methods on one set of maps.

    Args:
        name (str): Name of the set.
        a (Tensor): Anchors, ``(B, c, r)``, float32.
        b (Tensor): Partners, ``(B, c, r)``, float32.
        compiled (Callable, optional): Compiled plain iteration.
        rounds (int): Calls of each method.

    Returns:
        dict: Milliseconds, ratios, errors.
    """
    methods = dict(ours=ours, log=ours_log, authors=authors, pot=pot,
                   floor=floor)
    if compiled is not None:
        methods['compiled'] = lambda a, b: interpolate(
            a, b, compiled(pairwise_cost(a, b)))
    few_a, few_b = a[:GOLDEN_PAIRS], b[:GOLDEN_PAIRS]
    cost = pairwise_cost(few_a, few_b)
    golden = interpolate(few_a.double(), few_b.double(),
                         golden_plan(cost, EPS))
    result = dict(shape=list(a.shape), mean_cost=cost.mean().item() / EPS)
    for key, method in methods.items():
        error = (method(few_a, few_b).double() - golden).flatten(1).norm(dim=1)
        error = (error / golden.flatten(1).norm(dim=1)).mean().item()
        result[key] = dict(error=error)
    seconds = interleaved(
        {key: (lambda method=method: method(a, b))
         for key, method in methods.items()}, rounds)
    for key, values in seconds.items():
        result[key].update(
            ms=median_ms(values),
            times_ours=paired_ratio(values, seconds['ours']))
    result['goals'] = judge(result, GOALS[name])
    return result


def judge(result: dict, goals: dict) -> dict:
    """Say which goals hold."""
    met = {key: result[key]['times_ours'] >= goal
           for key, goal in goals.items() if key in result}
    met['error'] = result['ours']['error'] <= goals['error']
    return {key: dict(goal=goals[key], met=value)
            for key, value in met.items()}


def summary(name: str, result: dict) -> str:
    """One line for each method, and the goals."""
    lines = [f'{name} {result["shape"]}, mean cost / eps '
             f'{result["mean_cost"]:.0f}']
    for key, value in result.items():
        if isinstance(value, dict) and 'ms' in value:
            lines.append(f'  {key:<10} {value["ms"]:9.1f} ms'
                         f' {value["times_ours"]:8.2f} x ours'
                         f'   error {value["error"]:.1e}')
    goals = ', '.join(f'{key} {"met" if value["met"] else "MISSED"}'
                      for key, value in result['goals'].items())
    return '\n'.join([*lines, f'  goals: {goals}'])


def short(ms: float) -> str:
    """Milliseconds with as many digits as are worth reading."""
    return f'{ms:,.0f}' if ms >= 10 else f'{ms:.1f}'


def plot(results: dict, path: Path) -> None:
    """Draw milliseconds of each method, on a logarithmic scale."""
    from matplotlib.figure import Figure
    labels = {
        'floor': 'no alignment', 'ours': 'annealed (ours)',
        'compiled': '100 plain iterations, torch.compile',
        'log': '100 plain iterations', 'pot': '100 iterations, POT',
        'authors': "authors' loop"}
    figure = Figure(figsize=(8, 4.2), layout='constrained')
    axis = figure.subplots()
    width = 0.14
    keys = [key for key in labels if key in next(iter(results.values()))]
    for n, key in enumerate(keys):
        heights = [result[key]['ms'] for result in results.values()]
        bars = axis.bar(np.arange(len(results)) + (n - 2.5) * width, heights,
                        width, label=labels[key],
                        color='C3' if key == 'ours' else f'{.85 - .13 * n}')
        axis.bar_label(bars, fmt=short, fontsize=6)
    axis.set_yscale('log')
    axis.set_xticks(np.arange(len(results)), [
        f'{name}\n{tuple(result["shape"])}'
        for name, result in results.items()])
    axis.set_ylabel('ms for a batch')
    axis.set_title('Aligning and mixing a batch of pairs (B, c, r), CPU')
    axis.legend(fontsize=7)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--features', type=Path,
                        default=Path('work_dirs/features.npz'),
                        help='maps made by benchmarks/features.py')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--no-compile', action='store_true')
    args = parser.parse_args()
    if not args.features.is_file():
        raise SystemExit(f'{args.features} is missing: make it with `python '
                         'benchmarks/features.py --cifar10 FOLDER --imagenet '
                         'FOLDER`, or name another with --features.')
    results = {}
    with np.load(args.features) as pack:
        source = str(pack['source'])
        for name in GOALS:
            a, b = torch.from_numpy(pack[name]).float().chunk(2)
            compiled = None
            if not args.no_compile:
                torch.compiler.reset()
                compiled = torch.compile(
                    lambda cost: log_sinkhorn(cost, EPS)[0])
            results[name] = measure(name, a, b, compiled, args.rounds)
            print(summary(name, results[name]), flush=True)
    print(write('transport_cpu', dict(source=source, sets=results)))
    plot(results, RESULTS / 'transport_cpu.png')


if __name__ == '__main__':
    main()
