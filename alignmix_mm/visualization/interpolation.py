"""Decoded mixtures, Figure 3."""
import numpy as np
from matplotlib.figure import Figure

from ._drawing import plain_texts, show_image


def plot_interpolation(rows: dict[str, np.ndarray],
                       lam: np.ndarray,
                       ends: tuple[np.ndarray, np.ndarray]) -> Figure:
    """Show how one image becomes another, in several ways.

    Args:
        rows (dict[str, np.ndarray]): Decoded mixtures for each way of mixing,
            by its name, ``(L, H, W, 3)``, uint8; gray images have one
            channel.
        lam (np.ndarray): Weight of the anchor in each column, ``(L, )``,
            floats.
        ends (tuple[np.ndarray, np.ndarray]): Anchor and partner,
            ``(H, W, 3)``, uint8.

    Returns:
        Figure: A row for each way, a column for each weight; the partner is
        on the left and the anchor on the right.

    Raises:
        ValueError: If there is no row, or a row does not have L images.
    """
    if not rows or any(len(images) != len(lam) for images in rows.values()):
        raise ValueError(
            f'Expected rows of {len(lam)} images, one for each weight, but '
            f'got {({name: len(images) for name, images in rows.items()})}.')
    anchor, partner = ends
    columns = len(lam) + 2
    figure = Figure(figsize=(1.05 * columns, 1.02 * len(rows) + .3),
                    layout='constrained')
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for row, (name, images) in zip(axes, rows.items()):
        for axis, image in zip(row, [partner, *images, anchor]):
            show_image(axis, image, interpolation='nearest')
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(name)
    titles = ['partner', *(f'λ = {value:.2g}' for value in lam), 'anchor']
    for axis, title in zip(axes[0], titles):
        axis.set_title(title, fontsize='small')
    return plain_texts(figure)
