"""Interleaved timing and the record that goes with a result."""
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

RESULTS = Path(__file__).resolve().parent / 'results'


def interleaved(methods: dict[str, Callable[[], object]],
                rounds: int) -> dict[str, list[float]]:
    """Time methods in turn, so that a drift of the machine hits all alike.

    Args:
        methods (dict[str, Callable]): What to call.
        rounds (int): Counted calls of each, after one that is not.

    Returns:
        dict[str, list[float]]: Seconds of every counted call.
    """
    seconds = {name: [] for name in methods}
    for n in range(rounds + 1):
        for name, method in methods.items():
            start = time.perf_counter()
            method()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if n:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def median_ms(seconds: list[float]) -> float:
    """Median in milliseconds."""
    return 1e3 * statistics.median(seconds)


def paired_ratio(a: list[float], b: list[float]) -> float:
    """Median of a / b over rounds."""
    return statistics.median(x / y for x, y in zip(a, b))


def write(name: str, result: dict) -> Path:
    """Write a result with the machine and the command that made it.

    Args:
        name (str): File name without suffix.
        result (dict): The result.

    Returns:
        Path: ``benchmarks/results/NAME.json``.
    """
    record = dict(
        command=' '.join(['python', 'benchmarks/' + Path(sys.argv[0]).name,
                          *sys.argv[1:]]),
        date=time.strftime('%Y-%m-%d'),
        processor=_processor(),
        device=(torch.cuda.get_device_name() if torch.cuda.is_available() else
                'cpu'),
        threads=torch.get_num_threads(),
        python=platform.python_version(),
        torch=torch.__version__,
        **result)
    path = RESULTS / f'{name}.json'
    path.write_text(json.dumps(record, indent=1) + '\n')
    return path


def _processor() -> str:
    info = Path('/proc/cpuinfo')
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':')[1].strip()
    return platform.processor()
