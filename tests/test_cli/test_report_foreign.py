"""The report of folders that nobody vouches for."""
import dataclasses
import json
import math
import os
import re
from datetime import datetime

import numpy as np
import pytest
from conftest import ROOT
from mmengine.config import Config
from run_folders import epoch_lines, make_run

pytest.importorskip('jinja2')
pytest.importorskip('plotly')

from alignmix_mm.cli import report, visualize_reliability
from alignmix_mm.cli.indexing import results
from alignmix_mm.cli.reporting.figures import charts
from alignmix_mm.cli.reporting.page import number, render
from alignmix_mm.cli.reporting.records import read_run, read_runs
from alignmix_mm.cli.reporting.tables import changed_settings, table
from alignmix_mm.cli.reporting.thinning import thin
from alignmix_mm.evaluation.functional import BinStatistics, bin_confidences

LINES = epoch_lines(1, 3, {1: 10., 2: 20., 3: 30.})
TABLE = bin_confidences([.9, .8, .3], [1, 0, 1], 5).to_dict()


def read(tmp_path, config=None, lines=LINES, **files):
    folder = make_run(tmp_path / 'r', {'a': lines})
    if config is not None:
        (folder / 'some.py').write_text(config)
    for name, content in files.items():
        (folder / f'{name}.json').write_bytes(
            content if isinstance(content, bytes) else content.encode())
    return read_run(folder, 'r')


def page(run):
    """The page, whose charts a browser can read."""
    text = render([run], [], datetime.now())
    specs = re.search(r'id="specs">(.*?)</script>', text, re.DOTALL)[1]
    json.loads(specs, parse_constant=pytest.fail)
    return text


@pytest.mark.parametrize('config', [
    'open({0!r}, "w")', 'import pathlib\npathlib.Path({0!r}).touch()',
    'a = [open({0!r}, "w") for _ in range(1)]', 'a = open({0!r}, "w")',
    'a = dict(b=open({0!r}, "w"))', '_base_ = {0!r}', 'lambda: open({0!r})',
    'train_cfg = dict(max_epochs=3', 'a = f"{{open({0!r})}}"',
    'custom_imports = dict(imports=["antigravity"])\na = 1 + x',
    'a = \x00', 'a = ' + 300 * '(' + '1' + 300 * ')'])
def test_configs_are_not_executed(tmp_path, config, monkeypatch):
    executed = tmp_path / 'executed'
    text = config.format(str(executed))
    run = read(tmp_path, text)
    assert run.config is None and run.config_text == text
    note, = run.notes
    assert note.startswith('some.py is shown as text only, because it is not')
    assert not executed.exists() and changed_settings(run) is None
    monkeypatch.setattr(results, 'result_of', lambda *_: dict(metric='m'))
    assert not results.collect(tmp_path, {
        'some': ROOT / 'configs' / 'alignmix_r18_cifar10.py'})
    assert not executed.exists()


@pytest.mark.parametrize('name', [
    'alignmix_r18_cifar10.py', 'demo/alignmix_digits.py',
    'alignmix_r50_imagenet.py'])
def test_configs_of_runs_are_read(tmp_path, name):
    """What MMEngine writes is all literals."""
    config = Config.fromfile(ROOT / 'configs' / name)
    run = read(tmp_path, '\ufeff' + config.pretty_text)
    assert run.config.to_dict() == config.to_dict() and not run.notes


@pytest.mark.parametrize('config', [
    'train_cfg = dict(max_epochs="10")', 'train_cfg = dict(max_epochs=nan)',
    'train_cfg = dict(max_epochs=[3])', 'train_cfg = "epochs"',
    'train_cfg = [1]', 'default_hooks = 3', 'default_hooks = dict(logger=[])',
    'train_cfg = dict(max_epochs=True)', 'train_cfg = dict(max_epochs=-1)',
    'train_dataloader = 3\ntrain_cfg = None',
    'train_dataloader = dict(dataset=[1])', 'model = inf'])
def test_configs_of_another_kind(tmp_path, config):
    run = read(tmp_path, config)
    assert run.planned is None and run.progress == 'epoch 3'
    assert charts([run], table([run]))
    named = dataclasses.replace(run, config_name='alignmix_r18_cifar10')
    assert changed_settings(named) is not False


def test_losses_at_the_end_of_the_range(tmp_path):
    lines = ''.join(json.dumps(dict(
        loss=1.7e308, lr=-1.7e308, iter=n, step=n, epoch=1)) + '\n' +
        json.dumps({'accuracy/top1': 1.7e308, 'step': n}) + '\n'
        for n in range(1, 5000))
    run = read(tmp_path, lines=lines, metrics=(
        '{"huge": 1' + 400 * '0' + ', "n_x": 1e300}'))
    curve, = charts([run], table([run]))[0].spec['data']
    assert len(curve['y']) > 100
    assert curve['y'] == pytest.approx(len(curve['y']) * [1.7e308])
    text = page(run)
    assert '1.7e+308' in text and 100 * '0' not in text
    row, = [row for row in table([run]) if row.metric == 'accuracy/top1']
    assert row.last10 == 1.7e308
    assert run.tests['metrics.json'] == dict(huge=math.inf, n_x=1e300)


@pytest.mark.parametrize('values', [
    [1e308, 1.7e308, 1.7e308], [-1.7e308] * 7, [0., 0.], [5e-324, 5e-324],
    [1.7e308, -1.7e308], [.1, .2, .7]])
def test_means_stay_in_the_range(values):
    (_, mean), = zip(*thin(dict(enumerate(values)), most=1))
    expected = float(np.longdouble(values).mean())
    assert mean == pytest.approx(expected, abs=1e293 * max(map(abs, values)
                                                           ) / 1e308)


def test_numbers_are_short():
    assert number(12.345) == '12.35' and number(-1e308) == '-1e+308'
    assert number(1234567., 'ood/n_id') == '1,234,567'
    assert number(2.5e200, 'ood/n_id') == '2.5e+200'


MALFORMED = [
    [], 'text', 3, None, dict(edges=3), {**TABLE, 'edges': TABLE['edges'][1:]},
    {**TABLE, 'count': [0] * 5}, {**TABLE, 'count': [-1, 1, 1, 1, 1]},
    {**TABLE, 'count': [1.5] * 5}, {**TABLE, 'count': [10**400] * 5},
    {**TABLE, 'count': 'abcde'}, {**TABLE, 'count': [[1]] * 5},
    {**TABLE, 'count': [1, [2], 1, 1, 1]}, {**TABLE, 'conf': [None] * 5},
    {**TABLE, 'acc': [7.] * 5}, {**TABLE, 'acc': [{}] * 5},
    {**TABLE, 'acc': [math.nan] * 5}, {**TABLE, 'conf': None},
    {**TABLE, 'edges': [0, .4, .2, .6, .8, 1]},
    {**TABLE, 'edges': [math.inf] * 6},
    {**TABLE, 'edges': [0, 1, 2, 3, 4, 5]}, {**TABLE, 'count': [True, None]}]


@pytest.mark.parametrize('content', MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_tables(tmp_path, content):
    with pytest.raises(ValueError, match='Expected'):
        BinStatistics.from_dict(content)
    text = json.dumps(content)
    run = read(tmp_path, reliability=text)
    note, = run.notes
    assert run.table is None and 'reliability.json' in note
    with pytest.raises(SystemExit, match='is not a table of Calib'):
        visualize_reliability.read(tmp_path / 'r' / 'reliability.json')


@pytest.mark.parametrize('content', [
    b'', b'\x00', b'{"a": 1', b'\xff\xfe{', b'[' * 100_000, b'1' * 5000,
    b'<html>'], ids=range(7))
def test_files_that_are_no_json(tmp_path, content):
    run = read(tmp_path, reliability=content, metrics=content)
    assert len(run.notes) == 2 and all(
        'cannot be read' in note for note in run.notes)
    with pytest.raises(SystemExit, match='is not a table of Calib'):
        visualize_reliability.read(tmp_path / 'r' / 'reliability.json')


def test_a_byte_order_mark_changes_nothing(tmp_path):
    run = read(tmp_path, lines='\ufeff' + LINES.replace('\n', '\r\n') + '\r\n',
               reliability='\ufeff' + json.dumps(TABLE),
               metrics='\ufeff{"accuracy/top1": 3.0}')
    assert not run.notes and run.table.count.sum() == 3
    assert run.tests == {'metrics.json': {'accuracy/top1': 3.}}
    assert len(run.scalars.training['loss']) == 9
    assert visualize_reliability.read(tmp_path / 'r' / 'reliability.json')


def test_deep_lines_are_damaged_ones(tmp_path):
    run = read(tmp_path, lines=LINES + '[' * 100_000 + '\n')
    assert run.notes == (
        'a/vis_data/scalars.json: 1 line cannot be read.', )


def test_names_that_are_not_unicode(tmp_path):
    folder = tmp_path / os.fsdecode(b'caf\xe9')
    try:
        make_run(folder, {'a': LINES})
    except OSError:
        pytest.skip('the file system has Unicode names only')
    report.main([str(folder), '--out', str(tmp_path / 'out.html')])
    assert 'caf?' in (tmp_path / 'out.html').read_text(encoding='utf-8')
    assert read_runs([folder])


def test_a_page_that_cannot_be_written_ends_with_a_reason(tmp_path):
    read(tmp_path)
    with pytest.raises(SystemExit, match='Is a directory'):
        report.main([str(tmp_path / 'r'), '--out', str(tmp_path)])
