"""The figure of the transport benchmark: a column of bars for each set."""
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from methods import METHODS

OURS, OTHERS, FLOOR = 'C3', '0.65', '0.85'
COLORS = {'floor': FLOOR, 'torch': OURS, 'triton': OURS, 'ours': OURS}
LABELS = {method.key: method.label for method in METHODS}
CONVERGED_LABELS = {
    'ours': 'annealed (ours)',
    'ott': 'OTT-JAX',
    'log': 'plain, torch *',
    'authors': "authors' iteration *",
}


def plot(sets: dict[str, dict], device: str, path: Path) -> None:
    """Draw the times of each method, on a logarithmic scale.

    Args:
        sets (dict[str, dict]): Results of ``transport.measure``, by set.
        device (str): Name of the device, for the title.
        path (Path): File of the figure.
    """
    rows = [('methods', LABELS, 'Align and mix a batch of pairs (B, c, r)')]
    if all('converged' in result for result in sets.values()):
        rows.append(('converged', CONVERGED_LABELS,
                     'Plan alone, until the marginals hold to 1e-3'))
    keys = [[key for key in labels
             if any(key in result[part] for result in sets.values())]
            for part, labels, _ in rows]
    height = sum(0.26 * len(shown) + 1.1 for shown in keys)
    figure = Figure(figsize=(2.2 + 2.1 * len(sets), height),
                    layout='constrained')
    panels = figure.subfigures(
        len(rows), 1, squeeze=False,
        height_ratios=[len(shown) + 3 for shown in keys])[:, 0]
    for panel, (part, labels, title), shown in zip(panels, rows, keys):
        panel.suptitle(f'{title}, {device}', fontsize=10)
        axes = panel.subplots(1, len(sets), sharey=True, squeeze=False)[0]
        for axis, (name, result) in zip(axes, sets.items()):
            draw(axis, result[part], shown)
            axis.set_title(f'{name} {tuple(result["shape"])}', fontsize=8)
        axes[0].set_yticks(range(len(shown)), [labels[key] for key in shown])
    if len(rows) > 1:
        panels[1].supxlabel(
            '* iterations counted on a few pairs, a few of them timed;   '
            '> stopped before it converged', fontsize=7)
    figure.savefig(path, dpi=150)


def draw(axis: Axes, records: dict[str, dict], keys: list[str]) -> None:
    """Draw the bars of one set, the first method on top.

    Args:
        axis (Axes): Axes to draw on.
        records (dict[str, dict]): Records with ``ms`` and maybe ``capped``.
        keys (list[str]): Rows; those without a record stay empty.
    """
    drawn = {row: (key, records[key]) for row, key in enumerate(keys)
             if key in records}
    times = [record['ms'] for _, record in drawn.values()]
    bars = axis.barh(list(drawn), times, color=[
        COLORS.get(key, OTHERS) for key, _ in drawn.values()])
    axis.bar_label(bars, padding=2, fontsize=7, labels=[
        '> ' * record.get('capped', False) + short(record['ms'])
        for _, record in drawn.values()])
    axis.set_xscale('log')
    # room for the labels, in decades
    axis.set_xlim(min(times) / 3, max(times) * (max(times) / min(times))**.45)
    axis.set_ylim(len(keys) - 0.4, -0.6)
    axis.tick_params(labelsize=7)
    axis.minorticks_off()
    axis.spines[['top', 'right']].set_visible(False)


def short(ms: float) -> str:
    """Time with two significant digits below 10 ms, else rounded."""
    if ms >= 10_000:
        return f'{ms / 1e3:,.0f} s'
    return f'{ms:,.0f} ms' if ms >= 10 else f'{ms:.2g} ms'
