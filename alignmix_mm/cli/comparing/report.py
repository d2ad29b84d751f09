"""Reading all runs of a folder, and writing the tables."""
import json
import sys
from pathlib import Path
from typing import Any

from ...engine.checkpoints import write_whole
from .run import RESULT, read_result
from .summary import summarize
from .tables import cells, differences, markdown, notes

RUNS = 'runs'
TOLD = 'comparison.json'  # what was asked for


def tell(folder: Path, source: str, budget: str, methods: list[str],
         seeds: list[int], reference: str | None) -> None:
    """Note what is compared; methods and seeds are added to earlier ones.

    Args:
        folder (Path): Of the comparison.
        source (str): Data or config.
        budget (str): Length of a run.
        methods (list[str]): The methods.
        seeds (list[int]): The seeds.
        reference (str, optional): The method that others are compared with.
            None keeps that of earlier calls; at first it is the first method.
    """
    path = folder / TOLD
    before = json.loads(path.read_text()) if path.exists() else dict(
        methods=[], seeds=[], reference=methods[0])
    told = dict(
        source=source, budget=budget,
        reference=reference or before['reference'],
        methods=list(dict.fromkeys([*before['methods'], *methods])),
        seeds=sorted({*before['seeds'], *seeds}))
    write_whole(json.dumps(told, indent=1).encode(), path)


def write_report(folder: Path, reference: str | None = None) -> str:
    """Write ``compare.json``, ``compare.md`` and ``compare.html``.

    Args:
        folder (Path): Of the comparison.
        reference (str, optional): The method that others are compared with.
            Defaults to None, the one of the comparison.

    Returns:
        str: Text for the terminal. A folder without a comparison ends the
        process with a sentence.
    """
    if not (folder / TOLD).exists():
        sys.exit(f'There is no comparison in {folder}: expected the '
                 '--work-dir of `alignmix compare`.')
    told: dict[str, Any] = json.loads((folder / TOLD).read_text())
    if reference is not None:
        if reference not in told['methods']:
            sys.exit(f'--reference {reference} is not one of the methods: '
                     f'{", ".join(told["methods"])}.')
        told['reference'] = reference
    found = _results(folder)
    told.update(
        planned=len(told['methods']) * len(told['seeds']),
        runs=[result for _, result in found],
        methods=summarize([result for _, result in found], told['methods'],
                          told['reference']))
    text = _text(told)
    _write(folder / 'compare.json', json.dumps(
        told, indent=1, allow_nan=False) + '\n')
    _write(folder / 'compare.md', text + '\n')
    folders = {row['method']: [path for path, result in found if result[
        'method'] == row['method']] for row in told['methods']}
    files = [folder / 'compare.json', folder / 'compare.md']
    try:
        from .page import render
    except ModuleNotFoundError as error:
        if error.name != 'jinja2':
            raise
        text += ('\n\nThere is no compare.html without jinja2: pip install '
                 'jinja2')
    else:
        _write(folder / 'compare.html', render(told, folders))
        files.append(folder / 'compare.html')
    return '\n'.join([text, '', *map(str, files)])


def _results(folder: Path) -> list[tuple[Path, dict]]:
    """Complete runs, by method and seed."""
    paths = [path.parent for path in (folder / RUNS).glob(f'*/{RESULT}')]
    found = [(path, read_result(path)) for path in paths]
    return sorted(found, key=lambda item: (item[1]['method'],
                                           item[1]['seed']))


def _text(told: dict[str, Any]) -> str:
    parts = [*notes(told), markdown(cells(told['methods']))]
    lines = differences(told['methods'])
    if len(lines) > 1:
        parts += [f'Differences to {told["reference"]}:', markdown(lines)]
    return '\n\n'.join(parts)


def _write(path: Path, text: str) -> None:
    write_whole(text.encode(), path)
