"""Pictures of what AlignMix does, from plain arrays."""
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch

from ._drawing import plain_texts, show_image

MAX_ARCS = 6  # more arcs cross, and cannot be followed
TIE = .02  # in converged plans, weights of certain matches differ by less


def plot_mixed_batch(anchors: np.ndarray,
                     partners: np.ndarray,
                     mixed: np.ndarray,
                     lam: np.ndarray,
                     titles: list[str] | None = None,
                     title: str = '') -> Figure:
    """Show pairs of images and their mixtures.

    Args:
        anchors (np.ndarray): Images, ``(N, H, W, 3)``, uint8; gray images
            have one channel.
        partners (np.ndarray): Their partners, likewise.
        mixed (np.ndarray): The mixed images, likewise.
        lam (np.ndarray): Weight of the anchor, ``(N, )``, floats.
        titles (list[str], optional): Label of each pair. Defaults to None.
        title (str): Title of the figure. Defaults to ``''``.

    Returns:
        Figure: Three rows, with a column for each pair.
    """
    count = len(anchors)
    figure = Figure(figsize=(1.3 * count + 1, 4.6), layout='constrained')
    axes = figure.subplots(3, count, squeeze=False)
    rows = (('anchor', anchors), ('partner', partners), ('mixed', mixed))
    for row, (name, images) in enumerate(rows):
        for n in range(count):
            axis = axes[row, n]
            show_image(axis, images[n], interpolation='nearest')
            axis.set(xticks=[], yticks=[])
            if n == 0:
                axis.set_ylabel(name)
    for n in range(count):
        axes[2, n].set_xlabel(f'λ = {lam[n]:.2f}')
        if titles is not None:
            axes[0, n].set_title(titles[n], fontsize='small')
    if title:
        figure.suptitle(title)
    return plain_texts(figure)


def plot_alignment(anchor: np.ndarray,
                   partner: np.ndarray,
                   plan: np.ndarray,
                   grid: tuple[int, int],
                   title: str = '') -> Figure:
    """Draw arrows from a few positions of the anchor to their matches.

    Position ``i`` of the anchor's map is matched to the position ``j`` with
    the largest ``plan[i, j]``. The strongest six matches are drawn, see
    :func:`strongest_matches`; a position and its match have the same colour.
    The right panel shows all cells of the partner moved to where they are
    needed, i.e. its pixels in the geometry of the anchor.

    Args:
        anchor (np.ndarray): Image, ``(H, W, 3)``, uint8; a gray image has one
            channel.
        partner (np.ndarray): Image, likewise.
        plan (np.ndarray): Assignment, ``(h * w, h * w)``, floating point.
        grid (tuple[int, int]): Rows and columns of the feature map, (h, w).
        title (str): Title of the figure. Defaults to ``''``.

    Returns:
        Figure: Anchor, partner, and rearranged partner.
    """
    rows, cols = grid
    match = plan.argmax(axis=1)
    moved = move_cells(partner, match, grid)
    figure = Figure(figsize=(9.6, 3.9), layout='constrained')
    left, middle, right = figure.subplots(1, 3)
    panels = ((left, anchor, 'anchor'), (middle, partner, 'partner'),
              (right, moved, 'partner, cells moved to their matches'))
    height, width = anchor.shape[:2]
    for axis, image, name in panels:
        show_image(axis, image, interpolation='nearest')
        axis.set_xticks(np.arange(1, cols) * width / cols - .5, [])
        axis.set_yticks(np.arange(1, rows) * height / rows - .5, [])
        axis.grid(color='white', alpha=.35, linewidth=.7)
        axis.tick_params(length=0)
        axis.set_title(name, fontsize='medium')
    shown = strongest_matches(plan, grid, MAX_ARCS)
    for i, hue in zip(shown, np.linspace(0, 1, len(shown), endpoint=False)):
        color = _color(hue)
        start, stop = (_center(k, grid, (height, width))
                       for k in (i, match[i]))
        left.plot(*start, 'o', color=color, markersize=5)
        middle.plot(*stop, 'o', color=color, markersize=5)
        figure.add_artist(
            ConnectionPatch(
                start, stop, 'data', 'data', axesA=left, axesB=middle,
                arrowstyle='-|>', mutation_scale=8, color=color,
                connectionstyle='arc3,rad=-.12', linewidth=1.1, alpha=.85))
    if title:
        figure.suptitle(title)
    return plain_texts(figure)


def strongest_matches(plan: np.ndarray, grid: tuple[int, int],
                      count: int) -> np.ndarray:
    """Positions of the anchor whose matches have the largest weights.

    A converged plan gives many matches the same weight. Of such ties, matches
    that are far from each other are chosen, to show all parts of the image.

    Args:
        plan (np.ndarray): Assignment, ``(h * w, h * w)``, floating point.
        grid (tuple[int, int]): Rows and columns of the feature map, (h, w).
        count (int): Maximum number of matches.

    Returns:
        np.ndarray: Indices of the positions in ascending order,
        ``(min(count, h * w), )``, int64.
    """
    weight = plan.max(axis=1)
    count = min(count, len(weight))
    least = np.sort(weight)[-count]  # the smallest weight that is needed
    chosen = np.flatnonzero(weight > least + TIE)
    ties = np.flatnonzero(np.abs(weight - least) <= TIE)
    places = np.stack(np.divmod(np.arange(len(weight)), grid[1]), 1)
    while len(chosen) < count:
        gaps = np.linalg.norm(
            places[ties][:, None] - places[chosen], axis=2)
        # the very first one is in the upper left
        far = ties[gaps.min(axis=1).argmax() if len(chosen) else 0]
        chosen, ties = np.append(chosen, far), ties[ties != far]
    return np.sort(chosen)


def move_cells(image: np.ndarray, match: np.ndarray,
               grid: tuple[int, int]) -> np.ndarray:
    """Put cell ``match[i]`` of an image where cell ``i`` is.

    Args:
        image (np.ndarray): ``(H, W, 3)``, any dtype; H and W are multiples of
            the grid.
        match (np.ndarray): Index of a cell for each cell, ``(h * w, )``,
            integers.
        grid (tuple[int, int]): Rows and columns of cells, (h, w).

    Returns:
        np.ndarray: The rearranged image, ``(H, W, 3)``, in the same dtype.
    """
    rows, cols = grid
    height, width = image.shape[0] // rows, image.shape[1] // cols
    out = np.empty_like(image)
    for i, j in enumerate(match):
        (y, x), (v, u) = divmod(i, cols), divmod(int(j), cols)
        out[y * height:(y + 1) * height, x * width:(x + 1) * width] = image[
            v * height:(v + 1) * height, u * width:(u + 1) * width]
    return out


def save(figure: Figure, path: Path | str) -> None:
    """Write a figure to a file, creating the folder if needed.

    Args:
        figure (Figure): The figure.
        path (Path | str): The file; its suffix determines the format.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def to_array(figure: Figure) -> np.ndarray:
    """Render a figure as an image.

    Args:
        figure (Figure): The figure.

    Returns:
        np.ndarray: ``(H, W, 3)``, uint8, RGB.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _center(cell: int, grid: tuple[int, int],
            size: tuple[int, int]) -> tuple[float, float]:
    y, x = divmod(int(cell), grid[1])
    return ((x + .5) * size[1] / grid[1] - .5, (y + .5) * size[0] / grid[0] -
            .5)


def _color(hue: float) -> tuple[float, float, float]:
    return tuple(hsv_to_rgb((hue, .75, .95)))
