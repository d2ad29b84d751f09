"""The tables and the figure of docs/study.md, from its results alone."""
import json
import math
import random
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from matplotlib.figure import Figure
from scipy.stats import spearmanr
from study_results import RESULTS, ROOT, collect, save

from alignmix_mm.cli.comparing.evaluation import title_of
from alignmix_mm.cli.comparing.summary import summarize
from alignmix_mm.cli.comparing.tables import differences, markdown
from alignmix_mm.engine.writing import write_whole

FIGURE = RESULTS.with_suffix('.png')
PAGE = ROOT / 'docs' / 'study.md'
PUBLISHED = ROOT / 'configs' / 'published.json'
NAMES = {  # of methods, in published.json
    'baseline': 'Baseline', 'mixup': 'Input mixup', 'cutmix': 'CutMix',
    'manifold': 'Manifold mixup', 'saliencymix': 'SaliencyMix',
    'puzzlemix': 'PuzzleMix', 'comixup': 'Co-Mixup', 'alignmix': 'AlignMix',
    'alignmix_ae': 'AlignMix/AE'}
PLANS = ('annealed', 'paper100', 'unaligned', 'random', 'common', 'prior')
DRAWS = 2000  # of seeds, for the interval of a rank correlation


class Table(NamedTuple):
    """A table of the page.

    Attributes:
        part (str): Part of the study whose runs it shows.
        figures (Sequence[str]): Figures, by the names of `alignmix compare`.
        reference (str): The method that others are compared with.
        methods (Sequence[str]): The methods. Empty for all.
        published (str): Table of the paper whose order is compared.
    """

    part: str
    figures: Sequence[str]
    reference: str
    methods: Sequence[str] = ()
    published: str = ''


TABLES = {
    'accuracy': Table('cifar100', ['accuracy'], 'baseline',
                      published='Table 1a'),
    'robustness': Table('cifar100', ['accuracy_fgsm', 'accuracy_pgd'],
                        'baseline'),
    'ood': Table('cifar100', ['auroc_test', 'auroc_uniform',
                              'auroc_gaussian'], 'baseline'),
    'calibration': Table('cifar100', ['ece', 'oe'], 'baseline'),
    'clothing': Table('clothing', ['accuracy', 'ece', 'oe'], 'baseline'),
    'places': Table('places', ['accuracy'], 'baseline'),
    'last block': Table('places', ['accuracy'], 'layer4-0-unaligned', tuple(
        f'layer4-0-{plan}' for plan in PLANS)),
    'stage 3': Table('places', ['accuracy'], 'layer3-unaligned', tuple(
        f'layer3-{plan}' for plan in PLANS)),
    'plans': Table('neck', ['accuracy'], 'unaligned', (
        'baseline', 'alignmix', 'paper100', 'unaligned', 'random', 'common',
        'eps-001', 'eps-01', 'eps-1', 'eps1')),
    'modes': Table('neck', ['accuracy'], 'baseline', (
        'baseline', 'input', 'embed', 'feat', 'feat_swap', 'alignmix')),
}


def rows_of(table: Table, known: dict[str, list[dict]]) -> list[dict]:
    """Means over seeds and differences to the reference, by method."""
    runs = [dict(run, figures={name: run['figures'][name]
                               for name in table.figures
                               if name in run['figures']})
            for run in known.get(table.part, [])
            if not table.methods or run['method'] in table.methods]
    return summarize(runs, _ordered(
        [run['method'] for run in runs], table.methods or [*NAMES]),
        table.reference)


def _ordered(found: Sequence[str], order: Sequence[str]) -> list[str]:
    """The methods that were found, those of an order first."""
    return list(dict.fromkeys([
        *(name for name in order if name in found), *found]))


def text_of(table: Table, known: dict[str, list[dict]]) -> str:
    """A table in Markdown."""
    rows = rows_of(table, known)
    if not rows:
        return 'No run is complete yet.'
    told = {row[0]: row[2:] for row in differences(rows)[1:]}
    names = [name for name in table.figures
             if any(name in row['figures'] for row in rows)]
    published = _published(table)
    lines = [['method', 'runs']]
    for name in names:
        lines[0] += [f'{title_of(name)}, %', f'to {table.reference}']
    lines[0] += ['published, %'] * bool(published)
    for row in rows:
        line = [row['method'], str(row['runs'])]
        for n, name in enumerate(names):
            figure = row['figures'].get(name) or {}
            error = figure.get('standard_error')
            line += [f'{figure["mean"]:.2f}' + (
                '' if error is None else f' ± {error:.2f}')
                if figure else '',
                (told.get(row['method']) or [''] * len(names))[n]]
        if published:
            value = published.get(row['method'])
            line.append('' if value is None else f'{value:.2f}')
        lines.append(line)
    text = markdown(lines)
    if published:
        text += '\n\n' + _correlation(table, known, published)
    return text


def _published(table: Table) -> dict[str, float]:
    """Accuracies of the paper, by our names."""
    if not table.published:
        return {}
    errors = {row['method']: row['value']
              for row in json.loads(PUBLISHED.read_text())
              if row['source'] == table.published
              and row['dataset'] == 'CIFAR-100'
              and row['backbone'] == 'PreActResNet18'}
    return {ours: 100 - errors[theirs] for ours, theirs in NAMES.items()
            if theirs in errors}


def _correlation(table: Table, known: dict[str, list[dict]],
                 published: dict[str, float]) -> str:
    """Whether the order of methods is the published one, in a sentence."""
    name, = table.figures
    values: dict[str, dict[int, float]] = {}
    for run in known.get(table.part, []):
        if run['method'] in published and name in run['figures']:
            values.setdefault(run['method'], {})[run['seed']] = run[
                'figures'][name]
    seeds = sorted(set.intersection(*map(set, values.values()))
                   if values else ())
    if len(values) < 3 or len(seeds) < 2:
        return 'Too few runs for a rank correlation.'

    def rank(drawn: Sequence[int]) -> float:
        means = [fmean(of_method[seed] for seed in drawn)
                 for of_method in values.values()]
        return spearmanr(means, [published[m] for m in values]).statistic

    generator = random.Random(0)
    drawn = sorted(found for found in (
        rank(generator.choices(seeds, k=len(seeds))) for _ in range(DRAWS))
        if not math.isnan(found))
    low, high = (drawn[round(share * (len(drawn) - 1))]
                 for share in (.025, .975))
    return (f'Spearman\'s rank correlation with the published order of these '
            f'{len(values)} methods: {rank(seeds):+.2f}; with seeds drawn '
            f'again, 95 % of {DRAWS} draws lie in [{low:+.2f}, {high:+.2f}].')


def draw(known: dict[str, list[dict]]) -> None:
    """Differences of accuracy to the baseline, with their intervals."""
    shown = [(title, told) for name, title in (
        ('accuracy', 'CIFAR-100, 50 a class'),
        ('clothing', 'Clothing, 20 a class'))
        if (told := _intervals(rows_of(TABLES[name], known)))]
    if not shown:  # a difference of one seed is not worth a picture
        return
    figure = Figure(figsize=(4.5 * len(shown), 3.6), layout='constrained')
    for axes, (title, told) in zip(
            figure.subplots(1, len(shown), squeeze=False)[0], shown):
        for y, (_, difference) in enumerate(told):
            axes.plot(difference['interval'], [y, y], color='C0', linewidth=3,
                      solid_capstyle='butt')
            axes.plot(difference['mean'], y, 'o', color='C0')
        axes.axvline(0, color='0.5', linewidth=1)
        axes.set_yticks(range(len(told)), [name for name, _ in told])
        axes.set(title=title, xlabel='accuracy minus baseline, points')
    figure.savefig(FIGURE, dpi=120)


def _intervals(rows: list[dict]) -> list[tuple[str, dict]]:
    """Methods whose difference has an interval, the last one first."""
    found = [(row['method'], row['figures']['accuracy'].get('difference'))
             for row in rows[::-1]]
    return [(method, difference) for method, difference in found
            if difference and difference['interval']]


def write(work_dir: Path, parts: Sequence[str]) -> None:
    """Write the results file, the figure and the tables of the page.

    Args:
        work_dir (Path): Of the study.
        parts (Sequence[str]): Those to collect.
    """
    known = collect(work_dir, parts)
    save(known)
    draw(known)
    page = PAGE.read_text()
    write_whole(fill(page, known).encode(), PAGE)
    for part, runs in known.items():
        print(f'{part}: {len(runs)} runs')


def fill(page: str, known: dict[str, list[dict]]) -> str:
    """The page with its tables.

    Args:
        page (str): Its text, with a mark before and after each table.
        known (dict): Runs by part.

    Returns:
        str: The text with the tables of these runs.
    """
    for name, table in TABLES.items():
        start, end = f'<!-- table: {name} -->', '<!-- end -->'
        pattern = f'({re.escape(start)}\n).*?({re.escape(end)})'
        text = text_of(table, known)
        page, count = re.subn(
            pattern, lambda m, t=text: f'{m[1]}\n{t}\n\n{m[2]}', page,
            flags=re.DOTALL)
        if count != 1:
            raise ValueError(f'Expected "{start}" once in {PAGE.name}, with '
                             f'"{end}" after it, but found it {count} times.')
    return page
