"""Train and test AlignMix and its baseline on real digits, with pictures.

It trains on 100 labelled handwritten digits from scikit-learn and tests on
900. Each run calls `alignmix train` and `alignmix test` with a config from
configs/demo. Tables and pictures go to work_dirs/demo.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..shipped import config_path
from .options import make_parser

METHODS = ('baseline', 'alignmix')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser('demo', __doc__)
    parser.add_argument(
        '--seeds', type=int, default=3, help='runs of each method; default: 3')
    parser.add_argument(
        '--jobs', type=int, default=os.cpu_count(), help='runs at a time; '
        'default: one per CPU core')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/demo'),
                        help='folder for results; default: work_dirs/demo')
    return parser.parse_args(argv)


def run(method: str, seed: int, out: Path) -> float:
    """Train and test once, in a separate process.

    Args:
        method (str): ``'baseline'`` or ``'alignmix'``.
        seed (int): Random seed.
        out (Path): Folder of the demo.

    Returns:
        float: Top-1 accuracy on the test images, in percent.
    """
    config = config_path(f'demo/{method}_digits.py')
    work_dir = out / f'{method}_seed{seed}'
    metrics, log = work_dir / 'metrics.json', work_dir / 'run.log'
    work_dir.mkdir(parents=True, exist_ok=True)
    train = [config, '--no-validate', '--work-dir', str(work_dir),
             '--cfg-options', f'randomness.seed={seed}']
    test = [config, str(work_dir / 'epoch_100.pth'), '--work-dir',
            str(work_dir), '--out', str(metrics), '--out-item', 'metrics']
    code = ('from alignmix_mm.cli import test, train; '
            f'train.main({train!r}); test.main({test!r})')
    with open(log, 'w') as file:
        failed = subprocess.run(
            [sys.executable, '-c', code], stdout=file,
            stderr=subprocess.STDOUT,
            # a second thread does not speed up steps this small
            env={**os.environ, 'OMP_NUM_THREADS': '1'}).returncode
    if failed:
        raise RuntimeError(f'{method}, seed {seed} failed; see {log}:\n'
                           f'{log.read_text()[-1500:]}')
    accuracy = json.loads(metrics.read_text())['accuracy/top1']
    print(f'  {method}, seed {seed}: {accuracy:.2f} %', flush=True)
    return accuracy


def table(results: dict[str, list[float]]) -> str:
    """Markdown table: mean, standard deviation and runs of each method."""
    seeds = len(results[METHODS[0]])
    lines = [f'| method | top-1 accuracy, mean ± sd of {seeds} seeds | runs |',
             '|---|---|---|']
    for method, values in results.items():
        spread = f' ± {statistics.stdev(values):.2f}' if seeds > 1 else ''
        runs = ', '.join(f'{value:.2f}' for value in values)
        lines.append(
            f'| {method} | {statistics.mean(values):.2f}{spread} | {runs} |')
    return '\n'.join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the demo.

    Args:
        argv (Sequence[str], optional): Arguments. Defaults to None, which
            takes the command line.
    """
    args = parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    runs = [(method, seed) for seed in range(args.seeds) for method in METHODS]
    print(f'{len(runs)} runs, {args.jobs} at a time; logs in {args.out}/',
          flush=True)
    with ThreadPoolExecutor(args.jobs) as pool:
        values = list(pool.map(lambda job: run(*job, args.out), runs))
    results = {method: values[n::len(METHODS)]
               for n, method in enumerate(METHODS)}
    from .drawing.demo import draw
    pictures = draw(args.out)
    text = table(results)
    (args.out / 'results.md').write_text(text + '\n')
    (args.out / 'results.json').write_text(json.dumps(results, indent=1))
    print(f'\n{text}\n')
    print('With 100 training images, a difference no larger than the standard '
          'deviation may be chance.')
    for path in [args.out / 'results.md', *pictures]:
        print(path)
    print(f'{time.perf_counter() - start:.0f} s')
