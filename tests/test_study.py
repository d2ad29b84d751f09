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
        work_dir=Path('x'), jobs=1, methods=None)))
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
    fast = part != 'cifar100'  # which had begun before
    assert (args.cfg_options is not None) == fast


def test_methods_are_what_they_are_called(study):
    settings = {part: dict(line.split('=') for line in comparison.settings)
                for part, comparison in study.comparisons().items()}
    assert settings['neck'] == {
        'paper100.model.neck.solver': 'log',
        'paper100.model.neck.num_iters': '100',
        'unaligned.model.neck.align': 'False', 'random.match': 'random',
        'common.match': 'common', 'input.modes': 'input',
        'embed.modes': 'embed', 'feat.modes': 'feat',
        'feat_swap.modes': 'feat_swap', **{
            f'{name}.match': 'transport' for name in (
                'eps-001', 'eps-01', 'eps-1', 'eps1')},
        'eps-001.eps': '0.001', 'eps-01.eps': '0.01', 'eps-1.eps': '0.1',
        'eps1.eps': '1.0'}
    places = settings['places']
    for place in ('layer4.0', 'layer3'):
        label = place.replace('.', '-')
        assert {name: value for name, value in places.items()
                if name.startswith(f'{label}-')} == {
            f'{label}-paper100.model.mixer.solver': 'log',
            f'{label}-paper100.model.mixer.num_iters': '100',
            f'{label}-unaligned.model.mixer.align': 'False',
            f'{label}-random.match': 'random',
            f'{label}-common.match': 'common',
            f'{label}-prior.match': 'transport', f'{label}-prior.prior': '1',
            **{f'{label}-{plan}.model.mix_at': place for plan in (
                'annealed', 'paper100', 'unaligned', 'random', 'common',
                'prior')}}


def test_some_methods_of_a_part(study):
    words = study.words_of('neck', argparse.Namespace(
        work_dir=Path('x'), jobs=1, methods=['baseline', 'eps1']))
    methods = words.index('--methods')
    assert words[methods + 1:methods + 3] == [
        'baseline', 'eps1=matchedalignmix']
    assert words[methods + 3] == '--budget'
    assert words[words.index('--method-options') + 1:] == [
        'eps1.match=transport', 'eps1.eps=1.0']


def test_every_part_is_a_comparison(study):
    assert [*study.comparisons()] == ['cifar100', 'clothing', 'places',
                                      'neck']


def test_channels_last_computes_the_same(study):
    import channels_last
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    model = MODELS.build(dict(type='PreActResNet_CIFAR', depth=18,
                              base_channels=4))
    x = torch.randn(3, 3, 12, 20)
    expected, = model(x)
    build = channels_last.ChannelsLast(dict(
        optimizer=dict(type='SGD', lr=.1)))
    assert len(build(model).param_groups[0]['params']) == len(
        [*model.parameters()])
    found, = model(x)
    assert found.is_contiguous(memory_format=torch.channels_last)
    # the float32 sums of 17 layers, in another order
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


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


@pytest.fixture
def tables(study):
    import study_tables
    return study_tables


def runs(method, *values, name='accuracy'):
    return [dict(method=method, seed=seed, steps=9, lr=.1, figures={
        name: value, 'ece': 1.}) for seed, value in enumerate(values)]


KNOWN = dict(cifar100=[
    *runs('manifold', 33., 35.), *runs('mixup', 31., 32.),
    *runs('baseline', 30., 34.), *runs('cutmix', 40., 41.)])


def test_a_table_has_means_differences_and_what_was_published(tables):
    text = tables.text_of(tables.TABLES['accuracy'], KNOWN)
    lines = [[cell.strip() for cell in line.split('|')[1:-1]]
             for line in text.splitlines() if line.startswith('|')]
    assert lines[0] == ['method', 'runs', 'accuracy, %', 'to baseline',
                        'published, %']
    assert [line[0] for line in lines[2:]] == [
        'baseline', 'mixup', 'cutmix', 'manifold']
    assert lines[2] == ['baseline', '2', '32.00 ± 2.00', '', '76.76']
    # differences +3 and +1: standard error 1, t of one degree is 12.71
    assert lines[5] == ['manifold', '2', '34.00 ± 1.00',
                        '+2.00 [-10.71, +14.71]', '80.20']


def test_the_order_of_methods(tables):
    """Mixup 31.5, baseline 32, manifold 34, CutMix 40.5; published are
    baseline, mixup, manifold, CutMix: two neighbours change places."""
    text = tables.text_of(tables.TABLES['accuracy'], KNOWN)
    assert 'of these 4 methods: +0.80;' in text  # 1 - 6 (1 + 1) / (4 15)
    alone = tables.text_of(tables.TABLES['accuracy'], dict(
        cifar100=runs('baseline', 1.)))
    assert alone.endswith('Too few runs for a rank correlation.')


def test_a_part_without_runs(tables):
    assert tables.text_of(tables.TABLES['modes'], KNOWN) == (
        'No run is complete yet.')


def test_a_picture_needs_intervals(tables, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, 'FIGURE', tmp_path / 'study.png')
    tables.draw(dict(cifar100=[run for run in KNOWN['cifar100']
                               if run['seed'] == 0]))
    assert not tables.FIGURE.exists()
    tables.draw(KNOWN)
    assert tables.FIGURE.exists()


def test_the_page_is_up_to_date(tables):
    known = tables.collect(Path('nowhere'), [])
    page = tables.PAGE.read_text()
    assert tables.fill(page, known) == page
    with pytest.raises(ValueError, match='found it 0 times'):
        tables.fill(page.replace('table: eps', 'table: x').replace(
            'table: plans', 'table: y'), known)


def test_the_study_goes_on_elsewhere(study, tmp_path, monkeypatch):
    import study_results
    monkeypatch.setattr(study_results, 'RESULTS', tmp_path / 'study.json')
    study_results.save(KNOWN)
    study_results.restore(tmp_path / 'new', 'cifar100')
    result = tmp_path / 'new/cifar100/runs/cutmix_seed1/result.json'
    assert result.exists()
    (tmp_path / 'study.json').unlink()
    found = study_results.collect(tmp_path / 'new', ['cifar100', 'neck'])
    assert [*found] == ['cifar100']
    assert sorted(map(str, found['cifar100'])) == sorted(
        map(str, KNOWN['cifar100']))


def test_twenty_photographs_of_each_class(study, tmp_path):
    source = tmp_path / 'all'
    for count, name in ((3, 'few'), (25, 'many')):
        (source / 'train' / name).mkdir(parents=True)
        for n in range(count):
            (source / 'train' / name / f'{n}.jpg').touch()
    (source / 'test').mkdir()
    for _ in range(2):  # it goes on
        study.take_few(source, tmp_path / 'photos')
    found = {path.name: {image.name for image in path.iterdir()}
             for path in (tmp_path / 'photos' / 'train').iterdir()}
    assert {name: len(images) for name, images in found.items()} == dict(
        few=3, many=20)
    assert (tmp_path / 'photos' / 'test').is_dir()
