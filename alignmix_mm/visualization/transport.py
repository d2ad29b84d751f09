"""Alignment of points in the plane, Figure 2."""
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ._drawing import plain_texts

ANCHOR, PARTNER, MIXED = 'C0', 'C3', 'C2'


def plot_transport(a: np.ndarray, b: np.ndarray, cost: np.ndarray,
                   plan: np.ndarray, lam: float) -> Figure:
    """Draw two sets of points, their matches, and their mixtures.

    Args:
        a (np.ndarray): Points A, ``(2, r)``, floating point.
        b (np.ndarray): Points A', ``(2, s)``, floating point.
        cost (np.ndarray): Cost M between them, ``(r, s)``, floating point.
        plan (np.ndarray): Assignment R, ``(r, s)``, floating point; rows sum
            to one.
        lam (float): Weight of the anchor in the mixtures.

    Returns:
        Figure: Points, cost, assignment; matches, and the mixtures of eqs.
        (12) and (13), which keep the geometry of A and of A'.
    """
    figure = Figure(figsize=(10.2, 6.6), layout='constrained')
    points, costs, plans, matches, first, second = figure.subplots(
        2, 3).flat
    _scatter(points, a, ANCHOR, 'A')
    _scatter(points, b, PARTNER, "A'")
    points.set_title('features', fontsize='medium')
    for axes, matrix, title in ((costs, cost, 'cost M'),
                                (plans, plan, 'assignment R')):
        image = axes.imshow(matrix, cmap='viridis')
        axes.set(xlabel="positions of A'", ylabel='positions of A')
        axes.set_title(title, fontsize='medium')
        figure.colorbar(image, ax=axes, shrink=.8)
    for i, j in zip(*np.nonzero(plan > .02)):
        matches.plot(*np.stack([a[:, i], b[:, j]], 1), color='0.3',
                     alpha=float(min(plan[i, j], 1)), linewidth=1.2, zorder=0)
    _scatter(matches, a, ANCHOR, 'A')
    _scatter(matches, b, PARTNER, "A'")
    matches.set_title('matches, as dark as R', fontsize='medium')
    # rows of the transposed plan have to sum to one too
    backward = plan.T / plan.sum(0)[:, None]
    for axes, anchor, color, aligned, names in (
            (first, a, ANCHOR, b @ plan.T, ('A', "A' aligned to A")),
            (second, b, PARTNER, a @ backward.T, ("A'", "A aligned to A'"))):
        other = PARTNER if color == ANCHOR else ANCHOR
        mixed = lam * anchor + (1 - lam) * aligned
        for start, stop in zip(anchor.T, aligned.T):
            axes.plot(*np.stack([start, stop], 1), color='0.7', linewidth=1,
                      zorder=0)
        for faded, tone in ((a, ANCHOR), (b, PARTNER)):
            axes.scatter(*faded, color=tone, alpha=.15)
        _scatter(axes, anchor, color, names[0])
        _scatter(axes, aligned, other, names[1], 'x')
        _scatter(axes, mixed, MIXED, f'mixture, λ = {lam:.2g}', 's')
        axes.set_title(f'the geometry of {names[0]}', fontsize='medium')
    for axes in (points, matches, first, second):
        axes.set(xticks=[], yticks=[])
        axes.set_aspect('equal')
        axes.legend(fontsize='x-small', loc='best')
    return plain_texts(figure)


def _scatter(axes: Axes, points: np.ndarray, color: str, label: str,
             marker: str = 'o') -> None:
    axes.scatter(*points, color=color, label=label, marker=marker, s=28)
