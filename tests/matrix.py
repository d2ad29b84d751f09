"""Run the tests with both stacks, and the oldest and the newest torch.

::

    python tests/matrix.py                        # all of MATRIX
    python tests/matrix.py onedl-oldest -- -k ops # one, with pytest's options

Every combination has a virtual environment of its own, ``.venv-NAME``, of 6 GB
with CUDA's libraries. A run of all tests is kept in
``benchmarks/results/versions.json``, of which ``docs/versions.md`` is made.
"""
import argparse
import json
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / 'benchmarks' / 'results' / 'versions.json'
PAGE = ROOT / 'docs' / 'versions.md'
TABLE = '<!-- table: tests/matrix.py -->\n'

# Triton's interpreter of that time does not know NumPy 2.4.
OLDEST = ['torch==2.8.*', 'torchvision==0.23.*', 'numpy<2.4']
NEWEST: list[str] = []
MATRIX = {
    'official-newest': ('official', NEWEST),
    'official-oldest': ('official', OLDEST),
    'onedl-newest': ('onedl', NEWEST),
    'onedl-oldest': ('onedl', OLDEST),
}
SHOWN = ('python', 'torch', 'torchvision', 'numpy', 'mmengine', 'mmcv',
         'mmpretrain')

# Packages that own a module: a fork has another name than what it replaces.
_VERSIONS = '''
import json, platform, sys
from importlib.metadata import packages_distributions, version
names = packages_distributions()
print(json.dumps(dict(python=platform.python_version(), **{
    module: f"{name} {version(name)}".removeprefix(module + " ")
    for module in sys.argv[2:] for name in names[module][:1]})))
'''


def set_up(name: str) -> Path:
    """Make or update a virtual environment.

    Args:
        name (str): Key of :data:`MATRIX`.

    Returns:
        Path: Its Python.
    """
    stack, pins = MATRIX[name]
    folder = ROOT / f'.venv-{name}'
    python = folder / 'bin' / 'python'
    if not python.exists():
        subprocess.run([sys.executable, '-m', 'venv', folder], check=True)
    pip = [python, '-m', 'pip', 'install', '--quiet']
    subprocess.run([*pip, '--upgrade', 'pip'], check=True)
    subprocess.run([*pip, '-e', f'{ROOT}[{stack},tests]', *pins], check=True)
    return python


def run(name: str, options: list[str]) -> dict:
    """Run the tests in the environment of that name.

    Args:
        name (str): Key of :data:`MATRIX`.
        options (list[str]): For pytest.

    Returns:
        dict: Versions, how many tests passed, failed and were skipped, the
        minutes that they took and the date.
    """
    python = set_up(name)
    versions = json.loads(subprocess.run(
        [python, '-c', _VERSIONS, *SHOWN], check=True,
        capture_output=True).stdout)
    print(name, versions, flush=True)
    report = ROOT / f'.venv-{name}' / 'tests.xml'
    start = time.monotonic()
    subprocess.run([python, '-m', 'pytest', 'tests', '-m', 'not slow', '-q',
                    f'--junit-xml={report}', *options], cwd=ROOT)
    suite = ElementTree.parse(report).find('testsuite')
    count = {key: int(suite.get(key))
             for key in ('tests', 'failures', 'errors', 'skipped')}
    failed = count['failures'] + count['errors']
    return dict(
        versions=versions, skipped=count['skipped'], failed=failed,
        passed=count['tests'] - failed - count['skipped'],
        minutes=round((time.monotonic() - start) / 60, 1),
        date=time.strftime('%Y-%m-%d'))


def table(results: dict) -> str:
    """Markdown of what was run.

    Args:
        results (dict): Of :func:`run`, by name.

    Returns:
        str: One row for each.
    """
    lines = [_row(['', *SHOWN, 'passed', 'skipped', 'failed', 'date']),
             _row(['---'] * (len(SHOWN) + 5))]
    lines += [_row([name, *(row['versions'][key] for key in SHOWN),
                    row['passed'], row['skipped'], row['failed'],
                    row['date']]) for name, row in results.items()]
    return ''.join(lines)


def _row(cells: Iterable) -> str:
    return f'| {" | ".join(map(str, cells))} |\n'


def keep(name: str, result: dict) -> None:
    """Write a result, and the page anew."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[name] = result
    results = {name: results[name] for name in MATRIX if name in results}
    RESULTS.write_text(json.dumps(results, indent=1) + '\n')
    before, _, after = PAGE.read_text().split(TABLE)
    PAGE.write_text(before + TABLE + table(results) + TABLE + after)


def main() -> None:
    """Run what was asked for; exit with 1 if any test failed."""
    arguments = sys.argv[1:]
    split = arguments.index('--') if '--' in arguments else len(arguments)
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('names', nargs='*', metavar='NAME',
                        help=f'of {", ".join(MATRIX)}; all by default')
    names = parser.parse_args(arguments[:split]).names or list(MATRIX)
    if unknown := set(names) - set(MATRIX):
        parser.error(f'{sorted(unknown)} not among {list(MATRIX)}')
    options, failed = arguments[split + 1:], 0
    for name in names:
        result = run(name, options)
        failed += result['failed']
        print(name, result, flush=True)
        if not options:
            keep(name, result)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
