"""POT in float64 as the reference for our transport plans."""
import argparse
import sys
import warnings

import numpy as np
import ot
import torch
from torch import Tensor

from alignmix_mm.ops import assignment, pairwise_cost

# relative error of the aligned features, by number of positions; random maps
# have more near ties than real ones
TOLERANCE = {16: 1e-4, 49: 1e-3, 64: 4e-3, 196: 4e-3}
MADE_UP_TOLERANCE = 3e-3
MARGIN = 2e-6


def golden_plan(cost: Tensor, eps: float) -> Tensor:
    """Compute the assignment with POT's epsilon scaling in float64.

    Args:
        cost (Tensor): Costs ``(B, r, s)``.
        eps (float): Entropic regularization.

    Returns:
        Tensor: ``(B, r, s)``, float64.
    """
    plans = []
    for matrix in cost.double().numpy():
        r, s = matrix.shape
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', 'Sinkhorn did not converge')
            plans.append(r * ot.sinkhorn(
                np.full(r, 1 / r), np.full(s, 1 / s), matrix, eps,
                method='sinkhorn_epsilon_scaling', numItermax=200,
                numInnerItermax=500, stopThr=1e-12,
                epsilon0=max(float(matrix.max()), eps)))
    return torch.from_numpy(np.stack(plans))


def relative_error(b: Tensor, plan: Tensor, golden: Tensor) -> Tensor:
    """Relative error of the aligned features of each pair, ``(B, )``."""
    b = b.double()
    expected = torch.bmm(b, golden.mT).flatten(1)
    error = torch.bmm(b, plan.double().mT).flatten(1) - expected
    # the tiny number gives features that are all zero an error of 0
    return error.norm(dim=1) / (expected.norm(dim=1) + 1e-30)


def made_up_maps() -> dict[str, tuple[Tensor, Tensor]]:
    """Random and degenerate maps, ``(4, 8, r)``."""
    torch.manual_seed(0)
    a, b = torch.randn(2, 4, 8, 16)
    outlier = a.clone()
    outlier[:, :, 3] *= 1e3
    return {
        'normal 16': (a, b),
        'normal 49': tuple(torch.randn(2, 4, 8, 49)),
        'soft costs': (a / 10, b / 10),
        'identical': (a, a),
        'permuted copy': (a, a[:, :, torch.randperm(16)]),
        'constant': (torch.ones_like(a), 2 * torch.ones_like(a)),
        'zero': (torch.zeros_like(a), torch.zeros_like(a)),
        'one position': (a[:, :, :1], b[:, :, :1]),
        'outlier': (outlier, b),
        'magnitude 1e4': (a * 1e4, a[:, :, torch.randperm(16)] * 1e4),
        'r != s': (a, torch.randn(4, 8, 20)),
    }


def report(name: str, a: Tensor, b: Tensor, eps: float,
           tolerance: float) -> bool:
    """Print one line and return whether the plan is within tolerance."""
    cost = pairwise_cost(a, b)
    golden = golden_plan(cost, eps)
    plan, info = assignment(cost, eps, return_info=True)
    r, s = cost.shape[1:]
    margins = torch.cat([(plan.sum(2) - 1).flatten(),
                         (plan.sum(1) * s / r - 1).flatten()]).abs().max()
    error = relative_error(b, plan, golden).mean()
    paper = relative_error(b, assignment(cost, eps, solver='log'), golden)
    good = bool(torch.isfinite(plan).all() and plan.min() >= 0
                and margins < MARGIN and error < tolerance)
    print(f'{name:<20} {r:>4}x{s:<4} {cost.mean() / eps:>9.0f} '
          f'{info.col_violation.mean():>10.1e} {margins:>10.1e} '
          f'{error:>10.1e} {paper.mean():>10.1e}   {"ok" if good else "FAIL"}')
    return good


def run(args: argparse.Namespace) -> None:
    """Print the table.

    Args:
        args (Namespace): Parsed options of verify_sinkhorn.py.
    """
    print(f'{"maps":<20} {"r x s":>9} {"M/eps":>9} {"violation":>10} '
          f'{"marginals":>10} {"error":>10} {"100 its":>10}')
    good = True
    with np.load(args.features) as pack:
        for name in pack.files:
            maps = torch.from_numpy(pack[name]).float()
            a, b = maps.chunk(2)
            tolerance = TOLERANCE.get(a.shape[2], MADE_UP_TOLERANCE)
            good &= report(f'real, {name}', a, b, args.eps, tolerance)
    for name, (a, b) in made_up_maps().items():
        good &= report(name, a, b, args.eps, MADE_UP_TOLERANCE)
    print('\nviolation: mean error of the column sums when the iteration '
          'ends; marginals: largest\nerror of row and column sums in the '
          'returned plan; error: mean relative error of the\naligned features '
          "compared with POT in float64; 100 its: the same for the paper's 100"
          "\nplain iterations (solver='log').")
    sys.exit(0 if good else 1)
