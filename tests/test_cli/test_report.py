"""The report of runs: what it reads, its numbers, its errors."""
import json
import re
import statistics
import sys
from datetime import datetime

import numpy as np
import pytest
from conftest import ROOT
from mmengine.config import Config
from run_folders import PIXEL, epoch_lines, make_run

pytest.importorskip('jinja2')
pytest.importorskip('plotly')

from alignmix_mm.cli import report
from alignmix_mm.cli.reporting.figures import charts, thin
from alignmix_mm.cli.reporting.page import render
from alignmix_mm.cli.reporting.records import read_run, read_runs
from alignmix_mm.cli.reporting.tables import changed_settings, table
from alignmix_mm.evaluation.functional import bin_confidences


def row(run, metric='accuracy/top1'):
    found, = [r for r in table([run]) if r.metric == metric]
    return found


@pytest.fixture
def accuracy():
    values = np.random.default_rng(0).uniform(50, 95, 25).round(3).tolist()
    return dict(enumerate(values, start=1))


def test_figures_are_those_of_the_log(tmp_path, accuracy):
    folder = make_run(tmp_path / 'r', {'a': epoch_lines(1, 25, accuracy)})
    run = read_run(folder, 'r')
    found = row(run)
    assert found.best == max(accuracy.values())
    assert accuracy[found.best_at] == found.best
    assert found.last == accuracy[25]
    # independently: the mean of the two in the middle of ten
    assert found.last10 == pytest.approx(sum(sorted(
        accuracy[n] for n in range(16, 26))[4:6]) / 2)
    assert run.scalars.training['loss'] == {n: 9 / n for n in range(1, 76)}
    assert 'time' not in run.scalars.validation
    assert run.progress == 'epoch 25 of 30'
    assert 'PyTorch: 2.15.0' in run.environment
    assert 'INFO' not in run.environment
    assert not run.notes


def test_median_of_fewer_than_ten_says_so(tmp_path):
    lines = epoch_lines(1, 3, {1: 10., 2: 50., 3: 20.})
    run = read_run(make_run(tmp_path / 'r', {'a': lines}), 'r')
    assert (row(run).last10, row(run).evaluations) == (20., 3)
    assert '20.00 (of 3)' in render([run], [], datetime.now())
    lines = epoch_lines(1, 1, {1: 10.})
    run = read_run(make_run(tmp_path / 's', {'a': lines}), 's')
    assert row(run).last10 is None
    assert 'one evaluation only' in render([run], [], datetime.now())


def test_resumed_run_continues_and_the_later_part_wins(tmp_path, accuracy):
    """Killed in epoch 12 and resumed from the checkpoint of epoch 9."""
    later = {n: value / 2 for n, value in accuracy.items()}
    run = read_run(make_run(tmp_path / 'r', {
        '20260101': epoch_lines(1, 12, accuracy, loss_feat=1.),
        '20260102': epoch_lines(10, 11, later, loss_feat=2.)}), 'r')
    expected = [*(accuracy[n] for n in range(1, 10)), later[10], later[11]]
    assert list(run.scalars.validation['accuracy/top1'].values()) == expected
    assert list(run.scalars.training['loss_feat'].values()) == (
        27 * [1.] + 6 * [2.])
    assert run.progress == 'epoch 11 of 30'
    assert row(run).last10 == pytest.approx(statistics.median(expected[-10:]))


@pytest.mark.parametrize('end', ['{"loss": 1.', '[1]', '{"loss": 1.0}', '\x00',
                                 '{"loss": 1.0, "step": NaN}'])
def test_damaged_line_is_left_out_and_told(tmp_path, end):
    lines = epoch_lines(1, 2, {1: 10., 2: 20.})
    run = read_run(make_run(tmp_path / 'r', {'a': lines + end}), 'r')
    assert len(run.scalars.training['loss']) == 6
    assert run.notes == (
        'a/vis_data/scalars.json: 1 line cannot be read.', )


def test_values_that_are_not_finite_are_named(tmp_path):
    lines = epoch_lines(1, 3, {1: 10., 2: float('nan'), 3: 30.})
    run = read_run(make_run(tmp_path / 'r', {'a': lines.replace(
        '"loss": 4.5', '"loss": Infinity')}), 'r')
    assert run.notes == (
        'loss: 1 value of 9 not finite, first at 2.',
        'accuracy/top1: 1 value of 3 not finite, first at 2.')
    assert row(run).best == 30. and np.isnan(row(run).last10)
    page = render([run], [], datetime.now())
    assert 'not finite (of 3)' in page
    specs = json.loads(re.search(
        r'id="specs">(.*?)</script>', page, re.DOTALL)[1],
        parse_constant=pytest.fail)
    assert specs[0]['data'][0]['y'][1] is None


def test_run_that_counts_iterations(tmp_path):
    folder = make_run(tmp_path / 'r', {'a': ''.join(
        json.dumps(line) + '\n' for line in (
            dict(loss=2., iter=50, step=50), {'accuracy/top1': 1., 'step': 50},
            dict(loss=1., iter=100, step=100),
            {'accuracy/top1': 2., 'step': 100}))})
    (folder / 'some.py').write_text(
        'train_cfg = dict(by_epoch=False, max_iters=400)\n'
        'default_hooks = dict(logger=dict(log_metric_by_epoch=False))\n')
    run = read_run(folder, 'r')
    assert run.progress == 'iteration 100 of 400'
    assert '2.00 (iteration 100)' in render([run], [], datetime.now())


def test_tests_tables_and_pictures_of_a_run(tmp_path):
    folder = make_run(tmp_path / 'r', {'20260101': epoch_lines(1, 2, {})})
    (folder / 'metrics.json').write_text('{"accuracy/top1": 1.0}')
    tested = folder / '20260102'
    tested.mkdir()
    (tested / 'metrics.json').write_text(
        '{"accuracy/top1": 91.239, "clean/error_top1": 8.761, "norm": "x"}')
    statistic = bin_confidences([.9, .8, .3], [1, 0, 1], 5)
    (tested / 'reliability.json').write_text(json.dumps(statistic.to_dict()))
    for name in ('reliability.png', 'localization.png', 'matches_1_2.png'):
        (tested / name).write_bytes(PIXEL)
    (tested / 'localization.svg').write_text('<svg/>')
    (folder / 'broken.png').write_bytes(b'nothing')
    run = read_run(folder, 'r')
    assert (row(run).tested, row(run).best) == (91.239, None)
    assert row(run, 'clean/error_top1').tested == 8.761
    assert [p.name for p in run.pictures] == [
        'localization.png', 'matches_1_2.png', 'broken.png']
    extra = tmp_path / 'mixed_batch.png'
    extra.write_bytes(PIXEL)
    page = render([run], [extra], datetime.now())
    assert page.count('<img src="data:image/png;base64,') == 3
    assert 'alt="Localization: ' in page and '91.24' in page
    assert 'broken.png is no picture' in page
    chart = charts([run], table([run]))[-1]
    assert f'ECE {100 * statistic.ece:.2f} %' in chart.summary
    assert chart.spec['data'][1]['x'] == pytest.approx([.3, .8, .9])
    assert chart.spec['data'][1]['y'] == [1., 0., 1.]


def test_values_of_the_paper_stand_beside_ours(tmp_path):
    lines = epoch_lines(1, 2, {1: 90., 2: 97.})
    run = read_run(make_run(tmp_path / 'r', {'a': lines},
                            'alignmix_r18_cifar10'), 'r')
    entry, = row(run).paper
    assert entry.value == pytest.approx(100 - 2.95)
    page = render([run], [], datetime.now())
    assert '97.05' in page and 'top1 error 2.95' in page
    assert 'Its settings are not those' in page
    config = ROOT / 'configs' / 'alignmix_r18_cifar10.py'
    same = make_run(tmp_path / 's', {'a': lines}, config='')
    settings = Config.fromfile(config)
    settings.dump(same / config.name)
    assert changed_settings(read_run(same, 's')) is False
    settings.train_cfg.max_epochs = 3
    settings.dump(same / config.name)
    assert changed_settings(read_run(same, 's')) is True


def test_what_was_evaluated_once_is_no_chart(tmp_path):
    for count, drawn in (1, False), (2, True):
        lines = epoch_lines(1, count, dict.fromkeys(range(1, 3), 90.))
        run = read_run(make_run(tmp_path / str(count), {'a': lines}), 'r')
        titles = [chart.title for chart in charts([run], table([run]))]
        assert 'Training loss' in titles
        assert ('Top-1 accuracy, %' in titles) == drawn
        assert row(run).last == 90.


def test_names_are_short_and_differ(tmp_path):
    folders = [make_run(tmp_path / name, {}) for name in (
        'one/run', 'two/run', 'two/walk')]
    assert [run.name for run in read_runs(folders[1:])] == ['run', 'walk']
    assert [run.name for run in read_runs(folders[:2])] == [
        'one/run', 'two/run']


def test_long_curves_are_averaged_in_blocks():
    values = np.random.default_rng(0).normal(size=10_000)
    steps, means = thin(dict(enumerate(values, start=1)), most=1000)
    assert steps == list(range(10, 10_001, 10))
    np.testing.assert_allclose(means, values.reshape(-1, 10).mean(1))
    assert thin({1: float('nan'), 2: 5.}) == ([1, 2], [None, 5.])


def test_names_and_configs_are_escaped(tmp_path):
    folder = make_run(tmp_path / '<img src=x>&', {
        'a': epoch_lines(1, 2, {1: 5.}).replace('lr', '</script><b>')})
    page = render(read_runs([folder]), [], datetime.now())
    assert '<img src=x' not in page and '<script>boom' not in page
    assert '</script><b>' not in page
    assert '&lt;script&gt;boom' in page


@pytest.mark.parametrize('case, message', [
    ('nowhere', 'There is no folder'),
    ('empty', 'does not hold a run of `alignmix train`'),
    ('run/part', 'is one part of a run. Name the folder above it'),
    ('twice', 'A folder is named twice'),
    ('picture', 'There is no picture nowhere.png'),
    ('package', r'needs plotly, which is not installed: pip install "align')
])
def test_mistakes_end_with_a_reason(tmp_path, monkeypatch, case, message):
    run = make_run(tmp_path / 'run', {'part': epoch_lines(1, 1, {})})
    (tmp_path / 'empty').mkdir()
    arguments = {'twice': [run, run],
                 'picture': [run, '--images', 'nowhere.png'],
                 'package': [run]}.get(case, [tmp_path / case])
    if case == 'package':
        monkeypatch.setitem(sys.modules, 'plotly.offline', None)
        monkeypatch.delitem(sys.modules, 'alignmix_mm.cli.reporting.page')
    out = tmp_path / 'out.html'
    with pytest.raises(SystemExit, match=message):
        report.main([*map(str, arguments), '--out', str(out)])
    assert not out.exists()
