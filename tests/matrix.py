"""Run the tests with both stacks, and the oldest and the newest torch.

::

    python tests/matrix.py                        # all of MATRIX
    python tests/matrix.py onedl-oldest -- -k ops # one, with pytest's options

Every combination has its own virtual environment, ``.venv-NAME``, which takes
6 GB with CUDA's libraries. The results of complete runs are kept in
``benchmarks/results/versions.json`` and shown in ``docs/versions.md``.
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

# The Triton interpreter of these versions does not support NumPy 2.4.
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

# The package that owns a module: forks have different names.
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
        Path: Its Python interpreter.
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
    """Run the tests in the environment with that name.

    Args:
        name (str): Key of :data:`MATRIX`.
        options (list[str]): Options for pytest.

    Returns:
        dict: Versions, numbers of passed, failed and skipped tests, duration
        in minutes and date.
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
    """Make a Markdown table of the results.

    Args:
        results (dict): Results of :func:`run`, by name.

    Returns:
        str: One row for each result.
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
    """Store a result and update the page."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[name] = result
    results = {name: results[name] for name in MATRIX if name in results}
    RESULTS.write_text(json.dumps(results, indent=1) + '\n')
    before, _, after = PAGE.read_text().split(TABLE)
    PAGE.write_text(before + TABLE + table(results) + TABLE + after)


def main() -> None:
    """Run the chosen combinations; exit with status 1 if a test failed."""
    arguments = sys.argv[1:]
    split = arguments.index('--') if '--' in arguments else len(arguments)
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('names', nargs='*', metavar='NAME',
                        help=f'one of {", ".join(MATRIX)}; default: all')
    names = parser.parse_args(arguments[:split]).names or list(MATRIX)
    if unknown := set(names) - set(MATRIX):
        parser.error(f'expected some of {list(MATRIX)}, got '
                     f'{sorted(unknown)}')
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
