"""The comparison in words: Markdown for files and terminals."""
from collections.abc import Sequence
from typing import Any

from ..finetune.methods import NONE
from .evaluation import title_of


def cells(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The table of results.

    Args:
        rows (Sequence[dict]): What ``summarize`` returned.

    Returns:
        list[list[str]]: A line of titles, and one for each method.
    """
    names = _figures(rows)
    lines = [['method', 'runs', *(f'{title_of(name)}, %' for name in names),
              'steps', 'rate', 's a step', 'MiB']]
    for row in rows:
        runs = f'{row["runs"]}' + (
            f' ({row["diverged"]} diverged)' if row['diverged'] else '')
        lines.append([
            row['method'], runs,
            *(_mean(row['figures'].get(name)) for name in names),
            _number(row['steps'], 'd'), _number(row['lr'], 'g'),
            _number(row['seconds_per_step'], '.3g'),
            _number(row['memory_mib'], '.0f')])
    return lines


def differences(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The table of differences to the reference.

    Args:
        rows (Sequence[dict]): What ``summarize`` returned.

    Returns:
        list[list[str]]: A line of titles, and one for each other method;
        only titles if there is nothing to compare.
    """
    names = _figures(rows)
    lines = [['method', 'pairs', *(title_of(name) for name in names)]]
    for row in rows:
        found = [(row['figures'].get(name) or {}).get('difference')
                 for name in names]
        pairs = [difference['pairs'] for difference in found if difference]
        if pairs:
            lines.append([row['method'], f'{max(pairs)}',
                          *map(_difference, found)])
    return lines


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table whose columns are aligned in plain text, too.

    Args:
        lines (Sequence[Sequence[str]]): Cells, titles first.

    Returns:
        str: The table, without a line break at its end.
    """
    widths = [max(map(len, column)) for column in zip(*lines)]
    titles, *others = [
        '| ' + ' | '.join(f'{cell:<{width}}' for cell, width in zip(
            line, widths)) + ' |' for line in lines]
    rule = '|' + '|'.join('-' * (width + 2) for width in widths) + '|'
    return '\n'.join([titles, rule, *others])


def notes(told: dict[str, Any]) -> list[str]:
    """What to know when reading the tables.

    Args:
        told (dict): What is in ``compare.json``.

    Returns:
        list[str]: Sentences.
    """
    lines = [f'{told["source"]}, {told["budget"]} a run, seeds '
             f'{", ".join(map(str, told["seeds"]))}. Mean and standard error '
             'over seeds; the test images were looked at once, with the last '
             'weights.',
             f'Differences to {told["reference"]}, by seed, with an interval '
             'of 95 %. A star: it is not zero, after Holm\'s correction for '
             'all methods of the column (5 %).']
    if len(told['seeds']) < 2:
        lines.append('One seed says nothing about chance: take more, '
                     '--seeds 3.')
    for row in told['methods']:
        if row['method'] in NONE and row['training_loss'] is not None:
            lines.append(
                f'Without mixing, the training loss ends at '
                f'{row["training_loss"]:.2g}. Near 0 means that the network '
                'learns its images by heart, which mixing works against.')
    missing = told['planned'] - len(told['runs'])
    if missing:
        lines.append(f'{missing} of {told["planned"]} runs are not complete.')
    return lines


def _figures(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row['figures']))


def _number(value: float | None, form: str) -> str:
    return '' if value is None else f'{value:{form}}'


def _mean(figure: dict[str, Any] | None) -> str:
    if figure is None:
        return ''
    error = figure['standard_error']
    return f'{figure["mean"]:.2f}' + (
        '' if error is None else f' ± {error:.2f}')


def _difference(difference: dict[str, Any] | None) -> str:
    if difference is None:
        return ''
    text = f'{difference["mean"]:+.2f}'
    if difference['interval'] is not None:
        low, high = difference['interval']
        text += f' [{low:+.2f}, {high:+.2f}]'
    return text + ' *' * difference['star']
