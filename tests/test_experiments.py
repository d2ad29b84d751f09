"""The experiment on places and plans: its grid, a real run, its summary."""
import argparse
import json

import pytest
import torch
from conftest import ROOT
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

from alignmix_mm.mixing import alignmix_plan
from alignmix_mm.ops.options import TransportOptions


@pytest.fixture
def experiment(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'experiments')
    import solver_and_depth
    return solver_and_depth


def cell_model(experiment, place, plan, task='digits'):
    cfg = experiment.make_config(experiment.TASKS[task], place, plan, 3)
    init_default_scope(cfg.default_scope)
    return cfg, MODELS.build(
        {**cfg.model, 'data_preprocessor': cfg.data_preprocessor})


def test_cells_are_what_they_are_called(experiment):
    parameters = {}
    for task, place, plan, _ in experiment.grid(
            ['digits', 'cifar10_small'], 1):
        cfg, model = cell_model(experiment, place, plan, task)
        names = [*model.places.names]
        assert names == [{'before the last block': 'layer4.0',
                          'after stage 3': 'layer3'}.get(place)]
        assert model.mixer.align == (plan != 'unaligned')
        assert model.mixer.transport.solver == (
            'log' if plan == 'paper100' else 'annealed')
        assert model.mixer.transport.num_iters == (
            100 if plan == 'paper100' else None)
        hooks = [hook['type'] for hook in cfg.custom_hooks]
        assert ('RandomMatching' in hooks) == (plan == 'random permutation')
        assert cfg.randomness.seed == 3
        parameters.setdefault((task, 'Linear' in place), set()).add(
            sum(p.numel() for p in model.parameters()))
        assert model.extract_feat(torch.randn(2, 3, 32, 32))[0].shape == (
            2, 128)
    assert all(len(counts) == 1 for counts in parameters.values())


def test_random_matching_keeps_positions_and_ignores_features(experiment):
    from recording import RandomMatching
    _, model = cell_model(experiment, 'after stage 3', 'random permutation')
    method, = model.data_preprocessor.batch_augments.augments
    method.plan = lambda *args: alignmix_plan(
        'feat', torch.tensor([0., .25]), torch.tensor([1, 0]))
    RandomMatching().before_run(argparse.Namespace(model=model))
    x = torch.randn(2, 4, 5, 5)
    plan = model.mixer.complete(method.draw(x))
    mixed = plan.features.mix_map(x)
    # lambda 0: the partner, its positions in another order
    got = {tuple(c) for c in mixed[0].flatten(1).T.tolist()}
    assert got == {tuple(c) for c in x[1].flatten(1).T.tolist()}
    assert not torch.equal(mixed[0], x[1])
    torch.testing.assert_close(
        mixed.mean((2, 3)), plan.labels(x).mean((2, 3)))
    assert torch.equal(plan.features.unaligned().mix_map(x), plan.labels(x))


@pytest.mark.process
def test_a_run_is_recorded_once_and_summarized(
        experiment, tmp_path, monkeypatch, capsys):
    import summary
    short = experiment.TASKS['digits']._replace(epochs=10)
    monkeypatch.setitem(experiment.TASKS, 'digits', short)
    monkeypatch.setattr(summary, 'RESULTS', tmp_path)
    args = argparse.Namespace(out=tmp_path, summary=False, threads=1)
    run = ('digits', 'after stage 3', 'random permutation', 0)
    record = experiment.train(run, args)
    assert len(record['accuracy']) == 10
    assert record['best'] == max(record['accuracy'].values())
    assert record['effect'] > .01 and record['feat_loss'] > 0
    assert not list(tmp_path.rglob('*.pth'))
    monkeypatch.setattr(experiment.subprocess, 'run', None)  # not again
    assert experiment.train(run, args) == record

    other = {**record, 'seed': 1, 'last10_median': 10.}
    aligned = [{**r, 'plan': 'annealed', 'last10_median': 50.}
               for r in (record, other)]
    records = [{**record, 'last10_median': 20.}, other, *aligned]
    paths = summary.write(records, 'trial')
    assert all(path.stat().st_size > 100 for path in paths)
    result = json.loads(paths[0].read_text())
    cells = {cell['plan']: cell for cell in result['cells']}
    # mean and standard error of 20 and 10, and of 30 and 40
    assert cells['random permutation']['last10_median'] == [15., 5.]
    contrast, = result['annealed_minus_others']
    assert contrast['difference'] == [35., 5.]
    assert '| after stage 3 | random permutation | 2 |' in (
        capsys.readouterr().out)


@pytest.mark.process
def test_a_run_that_fails_names_its_log(experiment, tmp_path, monkeypatch):
    broken = experiment.TASKS['digits']._replace(
        overrides={'train_dataloader.dataset.split': 'nowhere'})
    monkeypatch.setitem(experiment.TASKS, 'digits', broken)
    args = argparse.Namespace(out=tmp_path, summary=False, threads=1)
    with pytest.raises(RuntimeError, match=r'train\.log(.|\n)*nowhere'):
        experiment.train(('digits', 'neck, GAP', 'annealed', 0), args)


def test_the_authors_log_is_compared_epoch_by_epoch(experiment):
    import authors_log
    curve = dict(steps_per_epoch=4, losses=[float(n) for n in range(11)])
    means = authors_log.by_epoch(curve)
    assert means == {1: 1.5, 2: 5.5}  # the third is not complete
    windows = authors_log.compare(
        means, {(1, 1): (2., None), (1, 2): (3., .1), (2, 3): (4., .1)})
    assert windows == [
        dict(epochs=[1, 1], published=2., spread=None, ours=1.5),
        dict(epochs=[1, 2], published=3., spread=.1, ours=3.5)]


@pytest.mark.parametrize('folder', [False, True])
def test_it_trains_as_the_authors_code_does(experiment, monkeypatch, folder):
    import authors_log
    monkeypatch.delenv('ALIGNMIX_CIFAR10', raising=False)
    if folder:
        monkeypatch.setenv('ALIGNMIX_CIFAR10', 'some/folder')
    cfg = authors_log.make_config(50, 3)
    assert cfg.param_scheduler is None
    assert cfg.optim_wrapper.optimizer == dict(
        type='SGD', lr=.1, momentum=.9, weight_decay=1e-4)
    assert cfg.train_dataloader.batch_size == 128
    dataset = cfg.train_dataloader.dataset
    assert dataset.type == ('CustomDataset' if folder else 'CIFAR10')
    assert cfg.data_preprocessor.to_rgb == folder  # files are BGR
    init_default_scope(cfg.default_scope)
    model = MODELS.build(
        {**cfg.model, 'data_preprocessor': cfg.data_preprocessor})
    augment, = model.data_preprocessor.batch_augments.augments
    assert augment.modes == ('input', 'feat', 'feat_swap')
    assert augment.probs.tolist() == [.5, .25, .25]
    assert model.mixer.transport == TransportOptions(
        solver='log', tol=.1, end='col')


def test_a_curve_is_kept_and_drawn(experiment, tmp_path):
    import authors_log
    from recording import CurveRecorder
    _, model = cell_model(experiment, 'neck, GAP', 'annealed')
    runner = argparse.Namespace(
        model=model, work_dir=tmp_path, train_dataloader=[0] * 40, epoch=1)
    recorder = CurveRecorder()
    recorder.before_train(runner)
    augment, = model.data_preprocessor.batch_augments.augments
    for step in range(120):
        augment.draw(torch.empty(4))
        recorder.after_train_iter(
            runner, step, outputs=dict(loss=torch.tensor(float(step))))
    recorder.after_train_epoch(runner)
    recorder.after_val_epoch(runner, {'accuracy/top1': 50.})
    curve = json.loads((tmp_path / 'curve.json').read_text())
    assert curve['losses'] == [float(n) for n in range(120)]
    assert len(curve['modes']) == 120 and curve['accuracy'] == {'1': 50.}
    assert curve['steps_per_epoch'] == 40 and curve['device'] == 'cpu'
    authors_log.draw(curve, tmp_path / 'curve.png')
    assert (tmp_path / 'curve.png').stat().st_size > 5000
