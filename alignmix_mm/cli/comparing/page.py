"""The comparison as one page of HTML."""
import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from ...evaluation.functional import BinStatistics
from ...visualization import plot_reliability
from ..reporting.figures import TITLES
from ..reporting.pictures import Picture, embed
from ..reporting.scalars import Curves, read_scalars
from ..reporting.thinning import thin
from .pictures import PREFIX
from .tables import cells, differences, notes

CURVES = ('loss', 'mixed_acc', 'clean_acc')
POINTS = 200  # of a curve


def render(told: dict[str, Any], folders: dict[str, list[Path]]) -> str:
    """Write the page.

    Args:
        told (dict): What is in ``compare.json``.
        folders (dict[str, list[Path]]): Of the complete runs, by method.

    Returns:
        str: HTML that needs nothing else, no network either.
    """
    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader([here, here.parent / 'reporting']),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True)
    curves = {method: [read_scalars(sorted(
        folder.glob('*/vis_data/scalars.json'))).training
        for folder in found] for method, found in folders.items()}
    figures = [(TITLES[name], _embedded(figure)) for name in CURVES
               if (figure := _curves(curves, name)) is not None]
    tables = {method: table for method, found in folders.items()
              if (table := _pooled(found)) is not None}
    if tables:
        figures.append(('Reliability: accuracy against confidence, all seeds',
                        _embedded(plot_reliability(tables))))
    return environment.get_template('compare.html.j2').render(
        told=told, notes=notes(told), figures=figures,
        results=cells(told['methods']),
        differences=differences(told['methods']),
        pictures=_batches(folders))


def _curves(curves: dict[str, list[Curves]], name: str) -> Figure | None:
    """Means over seeds; None if no run logged it."""
    figure = Figure(figsize=(6.4, 4), layout='constrained')
    axes = figure.subplots()
    for n, (method, runs) in enumerate(curves.items()):
        found = [run[name] for run in runs if name in run]
        if found:
            steps = sorted(set.intersection(*map(set, found)))
            x, y = thin({step: float(np.mean([curve[step] for curve in found]))
                         for step in steps}, POINTS)
            axes.plot(x, y, ('-', '--', ':')[n // 10 % 3], label=method)
    if not axes.lines:
        return None
    axes.set(xlabel='step', ylabel=TITLES[name])
    axes.legend(fontsize='small')
    return figure


def _pooled(folders: Sequence[Path]) -> BinStatistics | None:
    """One table of calibration for all seeds."""
    files = [folder / 'reliability.json' for folder in folders]
    tables = [BinStatistics.from_dict(json.loads(file.read_text()))
              for file in files if file.exists()]
    if not tables:
        return None
    counts = np.stack([table.count for table in tables])

    def mean(values: list[np.ndarray]) -> np.ndarray:
        total = (counts * np.nan_to_num(np.stack(values))).sum(0)
        return np.where(counts.sum(0) > 0,
                        total / counts.sum(0).clip(min=1), np.nan)

    return BinStatistics(tables[0].edges, counts.sum(0),
                         mean([table.conf for table in tables]),
                         mean([table.acc for table in tables]))


def _batches(folders: dict[str, list[Path]]) -> dict[str, list[Picture]]:
    """Pictures of a batch, of the first run of each method."""
    found = {}
    for method, runs in folders.items():
        files = sorted(runs[0].glob(f'{PREFIX}*.png')) if runs else []
        found[method] = [embed(file, file.stem.removeprefix(PREFIX))
                         for file in files]
    return found


def _embedded(figure: Figure) -> str:
    """A figure as a data URI."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=120)
    text = base64.b64encode(buffer.getvalue()).decode()
    return f'data:image/png;base64,{text}'
