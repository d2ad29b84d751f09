"""Transport problems and their answers, computed by others than the package.

The oracle is POT in float64. Plain Sinkhorn does not converge on real costs
(M / eps in the thousands), so hard problems go through POT's epsilon scaling.
"""
import warnings
from pathlib import Path

import numpy as np
import ot
import torch

REAL = Path(__file__).parent / 'data' / 'real_features.npz'


def pot_assignment(cost, eps=0.1, method='sinkhorn_epsilon_scaling'):
    """``r * P`` of `ot.sinkhorn` for every problem of a batch, float64."""
    plans = []
    for matrix in cost.double().numpy():
        r, s = matrix.shape
        options = {'sinkhorn_log': dict(numItermax=20000, stopThr=1e-11),
                   'sinkhorn_epsilon_scaling': dict(
                       numItermax=200, numInnerItermax=500, stopThr=1e-12,
                       epsilon0=1e4)}[method]
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', 'Sinkhorn did not converge')
            plan = ot.sinkhorn(
                np.full(r, 1 / r), np.full(s, 1 / s), matrix, eps,
                method=method, **options)
        plans.append(r * plan)
    return torch.from_numpy(np.stack(plans))


def real_maps(name):
    """Anchor and partner maps (B, c, r) of a network trained on CIFAR-10."""
    with np.load(REAL) as pack:
        maps = torch.from_numpy(pack[name]).float()
    return maps.chunk(2)


def relative_error(b, plan, golden):
    """Relative error of the aligned features of every pair, (B, )."""
    b, plan, golden = b.double(), plan.double(), golden.double()
    aligned = torch.bmm(b, plan.transpose(1, 2)).flatten(1)
    expected = torch.bmm(b, golden.transpose(1, 2)).flatten(1)
    return (aligned - expected).norm(dim=1) / expected.norm(dim=1)
