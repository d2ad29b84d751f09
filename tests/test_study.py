"""The study: its comparisons, and the controls that it needs."""
import argparse
from pathlib import Path

import numpy as np
import ot
import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

from alignmix_mm.cli.compare import parse_args
from alignmix_mm.cli.comparing.base import Base
from alignmix_mm.cli.comparing.methods import find_entries
from alignmix_mm.cli.comparing.networks import share_encoder

SHAPE = (3, 5, 2, 4)  # of maps


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'experiments')
    import study
    return study


@pytest.fixture
def controls(study):
    import controls
    return controls


@pytest.mark.parametrize('part', ['cifar100', 'places', 'neck'])
def test_methods_of_every_part_are_built(study, part):
    args = parse_args(study.words_of(part, argparse.Namespace(
        work_dir=Path('x'), jobs=1)))
    cfg = Config.fromfile(args.source)
    init_default_scope('mmpretrain')
    base = Base(cfg, 32, 50, '')
    if args.same_encoder:
        share_encoder(base)
    counts = set()
    for entry in find_entries(args.methods, args.method_options, base):
        model = MODELS.build(dict(
            entry.model(base), data_preprocessor=cfg.data_preprocessor))
        counts.add(sum(p.numel() for name, p in model.named_parameters()
                       if not name.startswith('decoder')))
    assert len(counts) == 1  # the same network


def test_every_part_is_a_comparison(study):
    assert [*study.comparisons()] == ['cifar100', 'clothing', 'places',
                                      'neck']


def positions(x):
    return sorted(map(tuple, x.flatten(1).T.tolist()))


@pytest.mark.parametrize('match, common', [('random', False),
                                           ('common', True)])
def test_positions_are_permuted(controls, match, common):
    torch.manual_seed(0)
    pairs = controls.MATCHES[match](torch.zeros(3), torch.tensor([1, 2, 0]))
    x = torch.randn(SHAPE)
    moved = pairs.mix_map(x)  # lambda 0: the partner
    orders = []
    for n, partner in enumerate(x[pairs.perm]):
        assert positions(moved[n]) == positions(partner)
        columns = partner.flatten(1).T.tolist()
        orders.append([columns.index(column)
                       for column in moved[n].flatten(1).T.tolist()])
        assert orders[-1] != [*range(8)]
    assert (orders[0] == orders[1] == orders[2]) == common
    assert torch.equal(pairs.unaligned().mix_map(x), x[pairs.perm])


@pytest.mark.parametrize('eps, prior', [(.1, 0.), (.5, 4.)])
def test_transport_relative_to_the_mean_cost(controls, eps, prior):
    torch.manual_seed(0)
    x = torch.randn(SHAPE)
    perm = torch.tensor([1, 2, 0])
    pairs = controls.TransportedPairs(torch.zeros(3), perm, eps=eps,
                                      prior=prior)
    moved = pairs.mix_map(x).flatten(2).double().numpy()
    grid = np.array([(row, column) for row in range(2) for column in range(4)])
    distance = ot.dist(grid, grid)
    for n in range(3):
        a, b = (m.flatten(1).T.double().numpy() for m in (x[n], x[perm[n]]))
        cost = ot.dist(a, b)
        cost = cost / cost.mean() + prior * distance / distance.mean()
        weights = np.full(8, 1 / 8)
        plan = ot.sinkhorn(weights, weights, cost, eps, 'sinkhorn_log',
                           numItermax=100000, stopThr=1e-12)
        # float32 costs over the smallest eps
        np.testing.assert_allclose(moved[n], (8 * plan @ b).T, atol=1e-4)
