"""Transport problems. Their reference, POT, is in tools/sinkhorn_oracle.py."""
import math
from pathlib import Path

import numpy as np
import torch
from sinkhorn_oracle import golden_plan, relative_error

from alignmix_mm.ops import pairwise_cost

__all__ = ['DEVICE', 'EPS', 'MARGIN', 'RANDOM_KINDS', 'assert_assignment',
           'degenerate_maps', 'gaussian_cost', 'golden_plan',
           'log_domain_plan', 'random_maps', 'real_maps', 'relative_error']

EPS = .1
# float32 sums of up to 256 entries that are themselves rounded
MARGIN = 2e-6
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
REAL = Path(__file__).parent / 'data' / 'real_features.npz'


def assert_assignment(plan):
    """Rows sum to 1, columns to r / s; no entry is negative or not finite."""
    r, s = plan.shape[1:]
    assert torch.isfinite(plan).all()
    assert plan.min() >= 0
    assert (plan.sum(2) - 1).abs().max() < MARGIN
    assert (plan.sum(1) * s / r - 1).abs().max() < MARGIN


def log_domain_plan(cost):
    """Plain Sinkhorn in float64, slowly cooled; independent of the package."""
    r, s = cost.shape[1:]
    cost = cost - cost.amin(2, keepdim=True)
    g = torch.zeros_like(cost[:, :1])
    hottest = max(cost.max().item(), EPS)
    levels = max(1, math.ceil(math.log2(hottest / EPS)))
    for level in range(levels + 1):
        T = max(EPS, hottest / 2**level)
        for _ in range(2000 if level == levels else 30):
            f = -T * torch.logsumexp((g - cost) / T, 2, keepdim=True)
            g = T * math.log(r / s) - T * torch.logsumexp(
                (f - cost) / T, 1, keepdim=True)
            g = g - g.amax(2, keepdim=True)
    return torch.softmax((g - cost) / EPS, 2)


def real_maps(name):
    """Anchor and partner maps (B, c, r) of a network trained on CIFAR-10."""
    with np.load(REAL) as pack:
        maps = torch.from_numpy(pack[name]).float()
    return maps.chunk(2)


def gaussian_cost(batch, c, r, s, scale=1.0):
    """Costs of random maps."""
    return pairwise_cost(
        torch.randn(batch, c, r) * scale,
        torch.randn(batch, c, s) * scale)


def degenerate_maps():
    """Maps on which careless solvers divide by zero or overflow."""
    a, b = torch.randn(2, 5, 16), torch.randn(2, 5, 16)
    outlier = a.clone()
    outlier[:, :, 3] *= 1e3
    return dict(
        identical=(a, a),
        constant=(torch.ones_like(a), torch.full_like(a, 2.)),
        zero=(torch.zeros_like(a), torch.zeros_like(a)),
        one_position=(a[..., :1], b[..., :1]),
        magnitude_1e4=(a * 1e4, b * 1e4),
        tiny=(a * 1e-10, b * 1e-10),
        outlier=(outlier, b),
        permuted=(a, a[..., torch.randperm(16)]),
        duplicates=(a[..., :4].repeat(1, 1, 4), b),
        relu=(a.relu(), b.relu()),
    )


def _half(a):
    return a[..., torch.randint((a.shape[2] + 1) // 2, a.shape[2:])]


def _clusters(a):
    centers = torch.randn(*a.shape[:2], 4)
    return centers[..., torch.randint(4, a.shape[2:])] + a / 20


def _outlier(a):
    return torch.cat([a[..., :1] * 1e3, a[..., 1:]], dim=2)


def _shuffled(a):
    return a[..., torch.randperm(a.shape[2])]


def _low_rank(a):
    return torch.randn(*a.shape[:2], 2) @ torch.randn(len(a), 2, a.shape[2])


def _line(a):
    """Positions on a line in feature space, as in a smooth gradient."""
    return a[..., :1] * torch.linspace(0, 1, a.shape[2])


# how to change two maps of normal numbers: ties, dead positions, ...
_RANDOM = {
    'normal': (lambda a: a, lambda b: b),
    'relu': (torch.relu, torch.relu),
    'clusters': (_clusters, _clusters),
    'duplicates': (_half, _half),
    'sparse': (lambda a: a * (torch.rand_like(a) > .8), ) * 2,
    'low_rank': (_low_rank, _low_rank),
    'outlier': (_outlier, lambda b: b),
    'lines': (_line, _line),
    'noisy_copy': (lambda a: a, None),
    'copy': (_shuffled, None),
}
RANDOM_KINDS = list(_RANDOM)


def random_maps(kind, batch, c, r):
    """Pairs of random maps (batch, c, r) of one kind."""
    a, b = torch.randn(2, batch, c, r)
    first, second = _RANDOM[kind]
    if second is None:  # the partner comes from the anchor
        noise = 0.1 if kind == 'noisy_copy' else 0.0
        return a, first(a) + noise * b
    return first(a), second(b)
