"""Rows of methods, and their tables."""
import json

import pytest
from scipy import stats

from alignmix_mm.cli.comparing.evaluation import figures_of, title_of
from alignmix_mm.cli.comparing.report import tell, write_report
from alignmix_mm.cli.comparing.summary import summarize
from alignmix_mm.cli.comparing.tables import (
    cells,
    differences,
    markdown,
    notes,
)

BASE = [80., 81., 83.]
GOOD = [84., 85.1, 86.9]  # by 4, surely
CHANCE = [83., 80., 84.]


def run(method, seed, seconds=.5, **figures):
    return dict(method=method, seed=seed, steps=9, lr=.1, figures=figures,
                seconds_per_step=seconds, memory_mib=100.)


def runs(figure='accuracy', **values):
    return [run(method, seed, **{figure: value})
            for method, found in values.items()
            for seed, value in enumerate(found)]


def test_a_star_only_where_zero_is_excluded():
    rows = summarize(runs(base=BASE, good=GOOD, chance=CHANCE),
                     ['base', 'good', 'chance'], 'base')
    base, good, chance = (row['figures']['accuracy'] for row in rows)
    assert base['difference'] is None
    p = [stats.ttest_rel(one, BASE).pvalue for one in (GOOD, CHANCE)]
    assert good['difference']['p_holm'] == pytest.approx(2 * p[0])
    assert chance['difference']['p_holm'] == pytest.approx(p[1])
    assert good['difference']['star'] and not chance['difference']['star']
    assert good['mean'] == pytest.approx(sum(GOOD) / 3)


def test_the_training_loss_is_told_of_runs_without_mixing():
    found = runs(none=BASE, good=GOOD)
    for n, one in enumerate(found):
        one['training_loss'] = .03 + n
    told = dict(source='x', budget='9it', seeds=[0, 1, 2], reference='good',
                planned=6, runs=found)
    for methods, shown in (['none', 'good'], True), (['good'], False):
        rows = summarize([one for one in found if one['method'] in methods],
                         methods, 'good')
        text = ' '.join(notes(dict(told, methods=rows)))
        assert text.count('the training loss ends at') == shown
        assert ('ends at 1.' in text) == shown
    old = summarize(runs(none=BASE), ['none'], 'none')
    assert 'loss' not in ' '.join(notes(dict(told, methods=old)))


def test_one_of_many_methods_loses_its_star():
    """p = .02 is below 5 %, but not as the smallest of ten."""
    near = [81., 82.3, 83.9]
    p = stats.ttest_rel(near, BASE).pvalue
    assert .005 < p < .05
    others = {f'm{n}': [80 + n, 79., 83 + n] for n in range(1, 10)}
    rows = summarize(runs(base=BASE, near=near, **others),
                     ['base', 'near', *others], 'base')
    found = rows[1]['figures']['accuracy']['difference']
    assert found['interval'][0] > 0 and not found['star']
    assert found['p_holm'] == pytest.approx(10 * p)


def test_columns_are_corrected_by_themselves():
    found = runs(base=BASE, good=GOOD)
    for n, one in enumerate(found):
        one['figures']['ece'] = [5., 4., 3., 9., 1., 6.][n]
    rows = summarize(found, ['base', 'good'], 'base')
    difference = rows[1]['figures']['accuracy']['difference']
    assert difference['p_holm'] == difference['p']


def test_runs_that_diverged_or_are_not_finite():
    found = runs(base=BASE, other=[70.])
    found.append(dict(run('other', 1), diverged='NaN'))
    found.append(run('other', 2, accuracy=72., ece=None))
    rows = summarize(found, ['base', 'other', 'late'], 'base')
    other, late = rows[1:]
    assert other['runs'] == 3 and other['diverged'] == 1
    assert other['figures']['accuracy']['runs'] == 2
    assert other['figures']['accuracy']['difference']['pairs'] == 2
    assert 'ece' not in other['figures']
    assert late['runs'] == 0 and late['figures'] == {}
    table = cells(rows)
    assert table[2][:3] == ['other', '3 (1 diverged)', '71.00 ± 1.00']
    assert table[3][:3] == ['late', '0', '']


def test_a_reference_without_runs_has_no_differences():
    rows = summarize(runs(good=[99., 98.]), ['good'], 'base')
    assert rows[0]['figures']['accuracy']['difference'] is None
    assert len(differences(rows)) == 1  # only titles


def test_one_seed_has_no_interval():
    rows = summarize(runs(base=[80.], good=[99.]), ['base', 'good'], 'base')
    assert cells(rows)[2][2] == '99.00'
    assert differences(rows)[1] == ['good', '1', '+19.00']


def test_markdown_is_aligned():
    text = markdown([['a', 'long'], ['bcd', 'e']])
    assert text.splitlines() == ['| a   | long |', '|-----|------|',
                                 '| bcd | e    |']


def test_figures_by_our_names():
    assert figures_of({
        'accuracy/top1': 70., 'calibration/ece': 3., 'clean/error_top1': 30.,
        'pgd/error_top1': 90., 'ood/a/b/auroc': 55., 'ood/x/aupr_id': 1.,
    }) == {'accuracy': 70., 'ece': 3., 'accuracy_pgd': 10.,
           'auroc_a/b': 55.}
    assert [title_of(name) for name in ('oe', 'accuracy_pgd', 'auroc_a_b')
            ] == ['OE', 'PGD accuracy', 'AUROC a_b']


def folder_of(tmp_path, found, **told):
    tell(tmp_path, 'photos', '3it', list(dict.fromkeys(
        one['method'] for one in found)), [0, 1, 2], 'base')
    for n, one in enumerate(found):
        (tmp_path / 'runs' / str(n)).mkdir(parents=True)
        (tmp_path / 'runs' / str(n) / 'result.json').write_text(
            json.dumps(one))
    return tmp_path


def test_report_of_files(tmp_path):
    """Also with names that are code in HTML, and runs that are missing."""
    folder = folder_of(tmp_path, runs(base=BASE, **{'<b>': GOOD[:2]}))
    text = write_report(folder)
    assert '1 of 6 runs are not complete.' in text
    told = json.loads((folder / 'compare.json').read_text())
    assert len(told['runs']) == 5 and told['reference'] == 'base'
    assert [row['method'] for row in told['methods']] == ['base', '<b>']
    assert (folder / 'compare.md').read_text().strip() in text
    page = (folder / 'compare.html').read_text()
    assert '&lt;b&gt;' in page and '<b>' not in page
    assert 'http' not in page.split('</style>')[1]
    text = write_report(folder, '<b>')
    assert 'Differences to <b>' in text and '-4.05' in text


def test_methods_and_seeds_are_added(tmp_path):
    tell(tmp_path, 'a', '3it', ['x', 'y'], [0], 'x')
    tell(tmp_path, 'a', '3it', ['z', 'x'], [0, 1], 'x')
    told = json.loads((tmp_path / 'comparison.json').read_text())
    assert told['methods'] == ['x', 'y', 'z'] and told['seeds'] == [0, 1]


def test_a_folder_without_a_comparison(tmp_path):
    with pytest.raises(SystemExit, match='There is no comparison in'):
        write_report(tmp_path)
    folder = folder_of(tmp_path, runs(base=BASE))
    with pytest.raises(SystemExit, match='not one of the methods: bas'):
        write_report(folder, 'other')
