"""Table, figure and JSON of the experiment."""
import json
import math
import statistics
import sys
from pathlib import Path

import torch
from grid import HERE, PLACES, PLANS, TASKS
from matplotlib.axes import Axes
from matplotlib.figure import Figure

RESULTS = HERE.parent / 'benchmarks' / 'results'
COLUMNS = {
    'best': ('best, %', '{:.2f} ± {:.2f}'),
    'last10_median': ('last 10, %', '{:.2f} ± {:.2f}'),
    'feat_loss': ('feature loss', '{:.3f} ± {:.3f}'),
    'effect': ('effect', '{:.3f} ± {:.3f}'),
    'step_seconds': ('step, s', '{:.3f} ± {:.3f}'),
}
COLORS = dict(zip(PLANS, ('C3', 'C0', 'C7', 'C1')))


def mean_and_error(values: list[float]) -> tuple[float, float]:
    """Mean and its standard error."""
    if len(values) < 2:
        return values[0], math.nan
    return (statistics.mean(values),
            statistics.stdev(values) / math.sqrt(len(values)))


def summarize(records: list[dict]) -> list[dict]:
    """Mean and standard error of each cell.

    Args:
        records (list[dict]): Records of runs.

    Returns:
        list[dict]: One entry for each cell that has runs.
    """
    cells = []
    for task in TASKS:
        for place in PLACES:
            for plan in PLANS:
                runs = [r for r in records if (r['task'], r['place'],
                                               r['plan']) == (task, place,
                                                              plan)]
                if runs:
                    cells.append(dict(
                        task=task, place=place, plan=plan, seeds=len(runs),
                        **{key: mean_and_error([run[key] for run in runs])
                           for key in COLUMNS}))
    return cells


def contrasts(records: list[dict]) -> list[dict]:
    """Differences between plans at the same place, paired by seed.

    Runs with the same seed share images, initial weights and draws.

    Args:
        records (list[dict]): Records of runs.

    Returns:
        list[dict]: ``last10_median`` of the annealed plan minus that of each
        other plan, in percent: mean and standard error.
    """
    values = {(r['task'], r['place'], r['plan'], r['seed']):
              r['last10_median'] for r in records}
    result = []
    for task in TASKS:
        for place in PLACES:
            for plan in PLANS:
                pairs = [(value, values.get((task, place, 'annealed', seed)))
                         for (t, p, q, seed), value in values.items()
                         if (t, p, q) == (task, place, plan)]
                pairs = [b - a for a, b in pairs if b is not None]
                if pairs and plan != 'annealed':
                    result.append(dict(
                        task=task, place=place, against=plan,
                        seeds=len(pairs), difference=mean_and_error(pairs)))
    return result


def table(cells: list[dict], task: str) -> str:
    """Markdown table of a task."""
    lines = ['| place | plan | seeds | '
             + ' | '.join(title for title, _ in COLUMNS.values()) + ' |',
             '|---' * (3 + len(COLUMNS)) + '|']
    for cell in cells:
        if cell['task'] == task:
            values = ' | '.join(form.format(*cell[key])
                                for key, (_, form) in COLUMNS.items())
            lines.append(f'| {cell["place"]} | {cell["plan"]} | '
                         f'{cell["seeds"]} | {values} |')
    return '\n'.join(lines)


def draw(ax: Axes, records: list[dict], cells: list[dict], task: str) -> None:
    """Accuracy of every run, and mean and standard error of every cell."""
    offset = {plan: 0.19 * (n - (len(PLANS) - 1) / 2)
              for n, plan in enumerate(PLANS)}
    column = {place: x for x, place in enumerate(PLACES)}
    for run in records:
        if run['task'] == task:
            ax.plot(column[run['place']] + offset[run['plan']],
                    run['last10_median'], 'o', ms=3, alpha=.35, mew=0,
                    color=COLORS[run['plan']])
    for plan in PLANS:
        chosen = [cell for cell in cells
                  if (cell['task'], cell['plan']) == (task, plan)]
        if chosen:
            means, errors = zip(*(cell['last10_median'] for cell in chosen))
            ax.errorbar(
                [column[cell['place']] + offset[plan] for cell in chosen],
                means, errors, fmt='s', ms=5, capsize=3, color=COLORS[plan],
                label=plan)
    ax.set_xticks(range(len(PLACES)), [p.replace(', ', ',\n').replace(
        'before the ', 'before the\n') for p in PLACES])
    ax.set_title(TASKS[task].title, fontsize=10)
    ax.set_ylabel('top-1 accuracy, %, median of the last 10 epochs',
                  fontsize=8)
    ax.grid(axis='y', alpha=.3)


def write(records: list[dict], name: str) -> list[Path]:
    """Write JSON, table and figure.

    Args:
        records (list[dict]): Records of runs.
        name (str): Name of the files, without suffix.

    Returns:
        list[Path]: The files.
    """
    cells = summarize(records)
    tasks = [task for task in TASKS if any(c['task'] == task for c in cells)]
    path = RESULTS / name
    path.with_suffix('.json').write_text(json.dumps(dict(
        command=' '.join(['python', *sys.argv]), torch=torch.__version__,
        columns='mean and standard error over seeds', cells=cells,
        annealed_minus_others=contrasts(records), runs=records), indent=1)
        + '\n')
    text = '\n\n'.join(f'{TASKS[task].title}\n\n{table(cells, task)}'
                       for task in tasks)
    path.with_suffix('.md').write_text(text + '\n')
    figure = Figure(figsize=(6.4 * len(tasks), 4.5), layout='constrained')
    axes = figure.subplots(1, len(tasks), squeeze=False)[0]
    for ax, task in zip(axes, tasks):
        draw(ax, records, cells, task)
    figure.legend(*axes[0].get_legend_handles_labels(), fontsize=8,
                  loc='outside lower center', ncols=len(PLANS),
                  title='plan; squares: mean and its error',
                  title_fontsize=8)
    figure.savefig(path.with_suffix('.png'), dpi=130)
    print(text)
    return [path.with_suffix(suffix) for suffix in ('.json', '.md', '.png')]
