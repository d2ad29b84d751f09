#!/usr/bin/env python
"""Where to mix, and with which plan: the runs that choose the defaults.

Every cell of {place} x {plan} x {seed} is a run of tools/train.py in its own
folder. Complete runs are not repeated, so an interrupted grid continues where
it stopped. CIFAR-10 is read from folders of images,
$ALIGNMIX_CIFAR10/{train,test}/<class>/*.png.

  python experiments/solver_and_depth.py digits cifar10_small
  python experiments/solver_and_depth.py cifar10_full   # on a GPU
"""
import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from grid import HERE, PLACES, PLANS, TASKS, folder_of, grid, make_config
from summary import write

TRAIN = HERE.parent / 'tools' / 'train.py'


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('tasks', nargs='+', choices=TASKS, help='tasks to run')
    parser.add_argument('--seeds', type=int, default=3,
                        help='number of seeds of each cell')
    parser.add_argument(
        '--places', nargs='+', choices=PLACES, default=list(PLACES))
    parser.add_argument(
        '--plans', nargs='+', choices=PLANS, default=list(PLANS))
    parser.add_argument('--jobs', type=int, default=1, help='parallel runs')
    parser.add_argument('--threads', type=int, help='CPU threads per run')
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs/solver_and_depth'))
    parser.add_argument(
        '--name', default='solver_and_depth', help='name of the result files')
    parser.add_argument(
        '--summary', action='store_true', help='only summarize, without runs')
    return parser.parse_args()


def train(run: tuple[str, str, str, int], args: argparse.Namespace) -> dict:
    """Do one run, unless it is complete.

    Args:
        run (tuple): Task, place, plan, seed.
        args (Namespace): The options.

    Returns:
        dict: The record of the run.

    Raises:
        RuntimeError: If the training fails; the message names the log.
    """
    task, place, plan, seed = run
    folder = folder_of(run, args.out)
    record = folder / 'record.json'
    if not record.exists() and not args.summary:
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / 'config.py'
        make_config(TASKS[task], place, plan, seed).dump(config)
        paths = [str(HERE), os.environ.get('PYTHONPATH', '')]
        environment = {**os.environ,
                       'PYTHONPATH': os.pathsep.join(filter(None, paths))}
        if args.threads:
            environment['OMP_NUM_THREADS'] = str(args.threads)
        log = folder / 'train.log'
        start = time.perf_counter()
        with open(log, 'w') as file:
            code = subprocess.run(
                [sys.executable, str(TRAIN), str(config), '--work-dir',
                 str(folder)], stdout=file, stderr=subprocess.STDOUT,
                env=environment).returncode
        if code or not record.exists():
            raise RuntimeError(f'The run failed, see {log}:\n'
                               f'{log.read_text()[-1500:]}')
        for checkpoint in folder.glob('epoch_*.pth'):
            checkpoint.unlink()  # those of a grid take many gigabytes
        values = json.loads(record.read_text())
        print(f'{task} | {place} | {plan} | seed {seed}: best '
              f'{values["best"]:.2f}, last 10 {values["last10_median"]:.2f} '
              f'({time.perf_counter() - start:.0f} s)', flush=True)
    if not record.exists():
        return {}
    return dict(task=task, place=place, plan=plan, seed=seed,
                **json.loads(record.read_text()))


def main() -> None:
    """Run the grid and summarize it."""
    args = parse_args()
    args.out = args.out.resolve()
    runs = [run for run in grid(args.tasks, args.seeds)
            if run[1] in args.places and run[2] in args.plans]
    with ThreadPoolExecutor(args.jobs) as pool:
        records = list(pool.map(lambda run: train(run, args), runs))
    records = [record for record in records if record]
    if not records:
        sys.exit('No run is complete yet; leave out --summary.')
    print(f'{len(records)} of {len(runs)} runs')
    for path in write(records, args.name):
        print(path)


if __name__ == '__main__':
    main()
