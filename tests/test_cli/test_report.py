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
from alignmix_mm.cli.reporting.differences import differences
from alignmix_mm.cli.reporting.figures import charts, undrawn
from alignmix_mm.cli.reporting.page import render
from alignmix_mm.cli.reporting.records import read_run, read_runs
from alignmix_mm.cli.reporting.tables import changed_settings, table
from alignmix_mm.cli.reporting.thinning import thin
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
    assert [spec['data'][0]['y'][:3] for spec in specs[:2]] == [
        [10., None, 30.], [9., None, 3.]]


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
    for part, steps in ('20260101', (999, 500)), ('20260102', (1000, )):
        series = folder / part / 'vis_data' / 'vis_image'
        series.mkdir(parents=True)
        for step in steps:
            (series / f'mixed_batch_{step}.png').write_bytes(PIXEL)
    (tested / 'localization.svg').write_text('<svg/>')
    (folder / 'broken.png').write_bytes(b'nothing')
    run = read_run(folder, 'r')
    assert (row(run).tested, row(run).best) == (91.239, None)
    assert row(run, 'clean/error_top1').tested == 8.761
    assert [p.name for p in run.pictures] == [
        'localization.png', 'matches_1_2.png', 'mixed_batch_1000.png',
        'broken.png']
    extra = tmp_path / 'mixed_batch.png'
    extra.write_bytes(PIXEL)
    page = render([run], [extra], datetime.now())
    assert page.count('<img src="data:image/png;base64,') == 4
    assert 'alt="Localization: ' in page and '91.24' in page
    assert 'broken.png is not a picture' in page
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


def drawn(*runs):
    return {chart.title: chart for chart in charts(
        list(runs), table(list(runs)))}


def test_accuracy_is_first_and_a_dot_is_no_chart(tmp_path):
    for count in 1, 2:
        lines = epoch_lines(1, count, dict.fromkeys(range(1, 3), 90.))
        lines += json.dumps(dict(rare=7., iter=9, step=9, epoch=3))
        run = read_run(make_run(tmp_path / str(count), {'a': lines}), 'r')
        titles = [chart.title for chart in charts([run], table([run]))]
        assert titles[:2] == [
            ['Training loss', 'Learning rate'],
            ['Top-1 accuracy, %', 'Training loss']][count - 1]
        assert 'rare' not in titles
        assert undrawn([run]) == ['rare 7 (r, iteration 9)']
        assert 'rare 7 (r, iteration 9)' in render([run], [], datetime.now())
        assert row(run).last == 90.


def test_what_has_no_noise_is_not_smoothed(tmp_path):
    run = read_run(make_run(tmp_path / 'r', {'a': epoch_lines(
        1, 3, {1: 5., 2: 6.}, share_feat=25., loss_feat=1.)}), 'r')
    smooth = {title: chart.spec['smooth']
              for title, chart in drawn(run).items()}
    assert smooth == {
        'Top-1 accuracy, %': False, 'Training loss': True,
        'Training loss by mode': True, 'Learning rate': False,
        'Time of an iteration, s': True,
        'Share of each mode among the steps, %': False}


def test_a_run_that_was_only_tested_shows_that_accuracy(tmp_path):
    folder = make_run(tmp_path / 'r', {'a': epoch_lines(1, 2, {})})
    (folder / 'metrics.json').write_text('{"accuracy/top1": 61.5}')
    page = render([read_run(folder, 'r')], [], datetime.now())
    card = page.split('<dl>')[1].split('</dl>')[0]
    assert '61.50' in card and 'not measured' not in card


def test_a_value_beside_ones_that_are_not_finite_is_a_dot(tmp_path):
    lines = epoch_lines(1, 2, {1: float('nan'), 2: 90.}, per_epoch=1)
    run = read_run(make_run(tmp_path / 'r', {'a': lines.replace(
        '"lr": 0.1,', '"lr": Infinity,')}), 'r')
    assert not {'Top-1 accuracy, %', 'Learning rate'} & set(drawn(run))


def test_calibration_of_one_bin_is_no_chart(tmp_path):
    folder = make_run(tmp_path / 'r', {'a': epoch_lines(1, 2, {})})
    for confidences, is_drawn in ([.9, .91], False), ([.9, .3], True):
        (folder / 'reliability.json').write_text(json.dumps(
            bin_confidences(confidences, [1, 0], 5).to_dict()))
        run = read_run(folder, 'r')
        assert any('Reliability' in title for title in drawn(run)) == is_drawn


def test_losses_of_the_modes_share_an_axis(tmp_path):
    """Colours are modes, dashes the runs that have any."""
    one, plain, two = (
        read_run(make_run(tmp_path / name, {'a': epoch_lines(
            1, 3, {}, **losses)}), name) for name, losses in (
            ('one', dict(loss_feat=2., loss_input=3.)), ('plain', {}),
            ('two', dict(loss_input=4., loss_other=5.))))
    found = drawn(one, plain, two)
    assert not any('loss_' in title for title in found)
    chart = found['Training loss by mode']
    assert chart.parts == ['feat', 'input', 'other']
    assert chart.dashes == {0: 'solid', 2: 'dash'}
    assert [(line['name'], line['meta'], line['line']['dash'], line['y'][0])
            for line in chart.spec['data']] == [
        ('one: feat', dict(run=0, part=0), 'solid', 2.),
        ('one: input', dict(run=0, part=1), 'solid', 3.),
        ('two: input', dict(run=2, part=1), 'dash', 4.),
        ('two: other', dict(run=2, part=2), 'dash', 5.)]


def test_the_axis_counts_epochs_of_runs_of_any_length(tmp_path, accuracy):
    """7 iterations of which every third is logged, and 4, all logged."""
    lines = epoch_lines(1, 5, accuracy, per_epoch=7).split('\n')
    sparse = [line for line in lines if '"accuracy/top1"' in line
              or line and (json.loads(line)['step'] - 1) % 7 % 3 == 2]
    runs = [read_run(make_run(tmp_path / name, {'a': text}), name)
            for name, text in (
                ('sparse', '\n'.join(sparse)),
                ('full', epoch_lines(1, 2, accuracy, per_epoch=4)))]
    assert [run.scalars.per_epoch for run in runs] == [7, 4]
    found = drawn(*runs)
    loss = found['Training loss'].spec
    assert loss['data'][0]['x'] == pytest.approx(
        [(7 * epoch + step) / 7 for epoch in range(5) for step in (3, 6)],
        abs=1e-4)
    assert loss['data'][1]['x'] == [.25, .5, .75, 1., 1.25, 1.5, 1.75, 2.]
    top1 = found['Top-1 accuracy, %'].spec
    assert [line['x'] for line in top1['data']] == [[1, 2, 3, 4, 5], [1, 2]]
    assert loss['layout']['xaxis']['title']['text'] == 'epoch'
    assert loss['layout']['xaxis']['nticks'] == 5


def test_runs_that_count_otherwise_share_iterations(tmp_path):
    epochs = read_run(make_run(tmp_path / 'epochs', {'a': epoch_lines(
        1, 3, {1: 10., 2: 20., 3: 30.}, per_epoch=5)}), 'epochs')
    folder = make_run(tmp_path / 'steps', {'a': ''.join(
        json.dumps(line) + '\n' for line in (
            dict(loss=2., iter=50, step=50), {'accuracy/top1': 1., 'step': 50},
            dict(loss=1., iter=99, step=99),
            {'accuracy/top1': 2., 'step': 99}))})
    (folder / 'some.py').write_text(
        'default_hooks = dict(logger=dict(log_metric_by_epoch=False))\n')
    found = drawn(epochs, read_run(folder, 'steps'))
    top1 = found['Top-1 accuracy, %'].spec
    assert [line['x'] for line in top1['data']] == [[5, 10, 15], [50, 99]]
    assert top1['layout']['xaxis']['title']['text'] == 'iteration'
    assert found['Training loss'].spec['data'][1]['x'] == [50, 99]


def test_resumed_run_has_the_epochs_of_its_parts(tmp_path):
    run = read_run(make_run(tmp_path / 'r', {
        'a': epoch_lines(1, 6, {}, per_epoch=5),
        'b': epoch_lines(4, 9, {}, per_epoch=5)}), 'r')
    assert run.scalars.per_epoch == 5
    assert drawn(run)['Training loss'].spec['data'][0]['x'][-1] == 9.


def test_settings_that_differ_are_named(tmp_path):
    texts = dict(
        one="work_dir = 'one'\nmodel = dict(augments=[dict(alpha=2.)], a=1)\n"
            "scale = [3, 5]\n",
        two="work_dir = 'two'\nmodel = dict(augments=[], a=1)\n"
            "scale = [3, 7]\nlr = '<b>'\n")
    runs = []
    for name, text in texts.items():
        folder = make_run(tmp_path / name, {'a': epoch_lines(1, 2, {})})
        (folder / 'some.py').write_text(text)
        runs.append(read_run(folder, name))
    assert differences(runs) == [
        ('model.augments.0.alpha', ('2.0', None)), ('scale', (
            '[3, 5]', '[3, 7]')), ('model.augments', (None, '[]')),
        ('lr', (None, "'<b>'"))]
    page = render(runs, [], datetime.now())
    assert 'Settings that differ: 4' in page and '<b>' not in page
    assert 'Settings that differ' not in render(runs[:1], [], datetime.now())
    assert 'The configs do not differ' in render(
        [runs[0]] * 2, [], datetime.now())


def test_the_library_is_a_file_beside_the_report(tmp_path, capsys):
    """A page of three long runs is small without it."""
    runs = [make_run(tmp_path / name, {'a': epoch_lines(
        1, 200, dict.fromkeys(range(1, 201), 90.), per_epoch=9, **{
            f'loss_{mode}': 1 / 3 for mode in 'abcdef'})})
        for name in ('one', 'two', 'three')]
    out = tmp_path / 'new' / 'report.html'
    report.main([*map(str, runs), '--out', str(out)])
    assert capsys.readouterr().out == f'{out}\n'
    library, = out.parent.glob('plotly-*.min.js')
    assert f'<script src="{library.name}">' in out.read_text()
    assert out.stat().st_size < 700_000 < library.stat().st_size
    single = tmp_path / 'single' / 'report.html'
    report.main([str(runs[0]), '--single-file', '--out', str(single)])
    assert list(single.parent.iterdir()) == [single]
    page = single.read_text()
    assert library.read_text() in page and '<script src' not in page
    assert "'self'" not in page.split('<title>')[0]


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
