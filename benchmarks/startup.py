#!/usr/bin/env python
"""CPU seconds of starting a command or of an import.

All programs run in turn, each in a fresh process. The figures are medians of
user plus system time, which other processes on the machine affect least.
"""
import argparse
import os
import resource
import statistics
import subprocess
import sys

from measure import write

LOOK_UP = ('from mmpretrain.registry import MODELS; '
           'MODELS.get("ResNet"); MODELS.get({!r})')
PROGRAMS = {
    'import torch': ['-c', 'import torch'],
    'import alignmix_mm.ops': ['-c', 'import alignmix_mm.ops'],
    'import mmpretrain': [
        '-c', 'import mmpretrain; ' + LOOK_UP.format('ResNet')],
    'import mmpretrain, alignmix_mm': [
        '-c', 'import mmpretrain, alignmix_mm; '
        + LOOK_UP.format('AlignMixNeck')],
    'alignmix train --help': ['-m', 'alignmix_mm', 'train', '--help'],
    'alignmix --help': ['-m', 'alignmix_mm', '--help'],
}
# program: (program to compare with, seconds that it may take longer)
GOALS = {
    'import alignmix_mm.ops': ('import torch', .3),
    'import mmpretrain, alignmix_mm': ('import mmpretrain', .5),
    'alignmix train --help': (None, 1.),
}


def cpu_seconds(arguments: list[str]) -> float:
    """CPU time of a Python process and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, '-W', 'ignore', *arguments], check=True,
                   stdout=subprocess.DEVNULL,
                   env={**os.environ, 'OMP_NUM_THREADS': '1'})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime
            - before.ru_utime - before.ru_stime)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--name', default='startup')
    args = parser.parse_args()
    seconds = {name: [] for name in PROGRAMS}
    for n in range(args.rounds + 1):  # the first round reads from the disk
        for name, arguments in PROGRAMS.items():
            value = cpu_seconds(arguments)
            seconds[name] += [value] * (n > 0)
    medians = {name: statistics.median(v) for name, v in seconds.items()}
    goals = {}
    for name, (other, more) in GOALS.items():
        limit = medians.get(other, 0) + more
        goals[name] = dict(limit=limit, met=medians[name] <= limit)
    for name, value in medians.items():
        goal = goals.get(name)
        print(f'{name:<32}{value:6.2f} s' + ('' if goal is None else (
            f'   goal <= {goal["limit"]:.2f} s '
            f'{"met" if goal["met"] else "MISSED"}')))
    print(write(args.name, dict(
        cpu_seconds=medians, goals=goals, seconds=seconds)))


if __name__ == '__main__':
    main()
