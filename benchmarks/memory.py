"""Memory of a call, and how fast the device copies memory."""
import json
import os
import resource
import tempfile
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import torch
from measure import interleaved, median_ms

COPIED = 2**29  # bytes; larger than any cache


def peak_mb() -> float:
    """Largest resident memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(function: Callable[..., dict], *args: object) -> dict:
    """Call a function in a new process, to measure its own peak memory."""
    with get_context('spawn').Pool(1) as pool:
        return pool.apply(function, args)


def peak_bytes(function: Callable[[], object], device: torch.device) -> int:
    """Peak memory of a call, including its result.

    Args:
        function (Callable): Function, called once.
        device (torch.device): Device on which it allocates.

    Returns:
        int: Bytes in addition to those allocated before, as torch sees them.
    """
    return {'cpu': _peak_cpu, 'cuda': _peak_cuda}[device.type](function)


def _peak_cuda(function: Callable[[], object]) -> int:
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    function()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def _peak_cpu(function: Callable[[], object]) -> int:
    """Running total of the allocations in a profile."""
    os.environ.setdefault('KINETO_LOG_LEVEL', '99')  # it logs a lot
    with torch.profiler.profile(
            activities=[torch.profiler.ProfilerActivity.CPU],
            profile_memory=True) as profiler:
        function()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'trace.json'
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text())['traceEvents']
    records = [event['args'] for event in
               sorted((event for event in events
                       if event.get('name') == '[memory]'),
                      key=lambda event: event['ts'])]
    # the total of a process continues from one profile to the next
    start = records[0]['Total Allocated'] - records[0]['Bytes']
    return max(record['Total Allocated'] for record in records) - start


def copy_bandwidth(device: torch.device) -> float:
    """Bytes read and written per second by a large copy.

    The copy goes to existing memory: on a CPU, the first touch of new memory
    takes longer than the copy.

    Args:
        device (torch.device): Device to measure.

    Returns:
        float: Bytes per second.
    """
    source = torch.ones(COPIED // 4, device=device)
    target = torch.zeros_like(source)
    seconds = interleaved({'copy': lambda: target.copy_(source)}, rounds=9)
    return 2 * COPIED / (median_ms(seconds['copy']) / 1e3)
