"""Profile of the time of a step."""
from collections.abc import Callable, Iterable

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity
from training import synchronize

ROWS = 15
WARMUP = 2
STEPS = 5


def profile(step: Callable[[], object], device: torch.device) -> dict:
    """Profile a few steps.

    Operators launched from Python, such as Triton's, appear only as kernels,
    so on a GPU there are two lists.

    Args:
        step (Callable): Runs one step.
        device (torch.device): Device on which it runs.

    Returns:
        dict: ``operators``, sorted by their own time on the device, and on a
        GPU ``kernels`` and ``busy_ms``, the total time of all kernels per
        step.
    """
    activities = [ProfilerActivity.CPU]
    on_gpu = device.type == 'cuda'
    if on_gpu:
        activities.append(ProfilerActivity.CUDA)
    for _ in range(WARMUP):
        step()
    synchronize(device)
    with torch.profiler.profile(activities=activities) as run:
        for _ in range(STEPS):
            step()
        synchronize(device)
    rows = [row for row in run.key_averages() if not row.is_user_annotation]
    operators = [row for row in rows if row.device_type == DeviceType.CPU]
    if not on_gpu:
        return dict(operators=_largest(operators, 'self_cpu_time_total'))
    kernels = [row for row in rows if row.device_type != DeviceType.CPU]
    key = 'self_device_time_total'
    return dict(
        operators=_largest(operators, key), kernels=_largest(kernels, key),
        busy_ms=sum(getattr(row, key) for row in kernels) / STEPS / 1e3)


def show(profiled: dict) -> None:
    """Print the result of :func:`profile`."""
    for kind in ('operators', 'kernels'):
        rows = profiled.get(kind, [])
        if rows:
            print(f'{kind}, ms per step')
        for row in rows:
            print(f'  {row["ms"]:9.3f} {row["calls"]:6.0f} x '
                  f'{row["name"][:56]}')


def _largest(rows: Iterable, key: str) -> list[dict]:
    rows = sorted(rows, key=lambda row: getattr(row, key), reverse=True)
    return [dict(name=row.key, calls=row.count / STEPS,
                 ms=getattr(row, key) / STEPS / 1e3) for row in rows[:ROWS]]
