"""Reliability diagrams, Figure 4."""
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..evaluation.functional import BinStatistics
from ._drawing import plain_texts


def plot_reliability(tables: dict[str, BinStatistics]) -> Figure:
    """Draw accuracy against confidence; on the diagonal they are equal.

    A single model is drawn as bars of its accuracy, with the gap to its mean
    confidence; several models are drawn as lines through the points
    (confidence, accuracy). Empty bins are left blank. The lower panel shows
    the share of samples in each bin.

    Args:
        tables (dict[str, BinStatistics]): Table of each model, by its label.

    Returns:
        Figure: The diagram.

    Raises:
        ValueError: If there are no tables.
    """
    if not tables:
        raise ValueError('Expected at least one table to draw.')
    figure = Figure(figsize=(4.6, 6.2), layout='constrained')
    upper, lower = figure.subplots(
        2, 1, sharex=True, height_ratios=[4, 1])
    upper.plot([0, 1], [0, 1], '--', color='0.5', linewidth=1,
               label='perfectly calibrated')
    if len(tables) == 1:
        (label, table), = tables.items()
        _draw_bars(upper, table)
        title = f'{label}: ' if label else ''
        upper.set_title(f'{title}{_errors(table)}', fontsize='medium')
    else:
        for label, table in tables.items():
            filled = table.count > 0
            upper.plot(table.conf[filled], table.acc[filled], 'o-',
                       markersize=4, label=f'{_shown(label)}: '
                       f'{_errors(table)}')
    for table in tables.values():
        lower.stairs(table.count / table.count.sum(), table.edges,
                     fill=len(tables) == 1)
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel='accuracy')
    figure.legend(loc='outside upper center', fontsize='small')
    lower.set(xlabel='confidence', ylabel='samples', ylim=(0, None))
    return plain_texts(figure)


def _draw_bars(axes: Axes, table: BinStatistics) -> None:
    filled = table.count > 0
    width = np.diff(table.edges)[filled]
    left = table.edges[:-1][filled]
    conf, acc = table.conf[filled], table.acc[filled]
    axes.bar(left, acc, width, align='edge', color='C0', edgecolor='white',
             label='accuracy')
    axes.bar(left, conf - acc, width, acc, align='edge', color='C3',
             alpha=.3, edgecolor='C3', hatch='//', linewidth=.6,
             label='gap to mean confidence')


def _shown(label: str) -> str:
    """A label that Matplotlib shows in the legend."""
    return f' {label}' if label.startswith('_') else label


def _errors(table: BinStatistics) -> str:
    return f'ECE {100 * table.ece:.2f} %, OE {100 * table.oe:.2f} %'
