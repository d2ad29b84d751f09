"""Interleaved timing, and the record of a result."""
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
                rounds: int,
                limits: dict[str, int] | None = None
                ) -> dict[str, list[float]]:
    """Time methods in turn, so that a drift of the machine affects all.

    Args:
        methods (dict[str, Callable]): Functions to call.
        rounds (int): Counted calls of each, after one that does not count.
        limits (dict[str, int], optional): Methods with fewer counted calls,
            made in the first rounds, without one that does not count.
            Defaults to None.

    Returns:
        dict[str, list[float]]: Seconds of every counted call.
    """
    limits = limits or {}
    seconds = {name: [] for name in methods}
    for n in range(rounds + 1):
        for name, method in methods.items():
            if name in limits and not 1 <= n <= limits[name]:
                continue
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
    """Median of a / b over the rounds that both have."""
    return statistics.median(x / y for x, y in zip(a, b))


def write(name: str, result: dict,
          device: torch.device | None = None) -> Path:
    """Write a result with the machine and the command that made it.

    Args:
        name (str): File name without suffix.
        result (dict): The result.
        device (torch.device, optional): Device of the measurement. Defaults
            to None: the GPU if there is one.

    Returns:
        Path: ``benchmarks/results/NAME.json``.
    """
    record = dict(
        command=' '.join(['python', 'benchmarks/' + Path(sys.argv[0]).name,
                          *map(_shorten, sys.argv[1:])]),
        date=time.strftime('%Y-%m-%d'),
        processor=_processor(),
        device=_device_name(device),
        threads=torch.get_num_threads(),
        python=platform.python_version(),
        torch=torch.__version__,
        **result)
    path = RESULTS / f'{name}.json'
    path.write_text(json.dumps(record, indent=1) + '\n')
    return path


def _device_name(device: torch.device | None) -> str:
    kind = device.type if device is not None else 'cuda'
    if kind == 'cuda' and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return 'cpu'


def _shorten(word: str) -> str:
    """Shorten absolute paths, which do not matter for a result."""
    return Path(word).name if Path(word).is_absolute() else word


def _processor() -> str:
    info = Path('/proc/cpuinfo')
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':')[1].strip()
    return platform.processor()
