"""Which backend solves a transport problem, and why."""
import functools
import importlib.util
import os
import warnings
from typing import NamedTuple

import torch
from torch import Tensor

BACKENDS = ('auto', 'torch', 'triton')
MAX_POSITIONS = 256  # a larger tile of rows does not fit into registers
FUSED_POSITIONS = 64  # nor does a larger problem as a whole
FUSED_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
OLDEST_CAPABILITY = (8, 0)  # of a CUDA device, for TF32 products


class Problem(NamedTuple):
    """What decides about the backend.

    Attributes:
        solver (str): ``'annealed'`` or ``'log'``.
        device (torch.device): Device of the tensors.
        r (int): Rows of a plan.
        s (int): Columns of a plan.
    """

    solver: str
    device: torch.device
    r: int
    s: int


def check_backend(backend: str) -> None:
    """Raise if there is no such backend.

    Args:
        backend (str): Its name.

    Raises:
        ValueError: If it is unknown.
    """
    if backend not in BACKENDS:
        raise ValueError(f'Expected `backend` to be one of {list(BACKENDS)}, '
                         f'but got {backend!r}.')


def supports(problem: Problem) -> tuple[bool, str]:
    """Say whether the Triton kernels solve a problem.

    Args:
        problem (Problem): The problem.

    Returns:
        tuple[bool, str]: The answer and its reason.
    """
    solver, device, r, s = problem
    if solver != 'annealed':
        return False, f'solver={solver!r} runs in plain torch'
    if r != s:
        return False, f'{r} and {s} positions are not as many on both sides'
    if r > MAX_POSITIONS:
        return False, f'{r} positions are more than {MAX_POSITIONS}'
    refusal = _refusal(device.type, device.index)
    return refusal is None, refusal or f'{device.type} device, {r} positions'


def choose_backend(backend: str, problem: Problem) -> tuple[str, str]:
    """Name the backend that will run, and why.

    Args:
        backend (str): ``'auto'``, ``'torch'`` or ``'triton'``.
        problem (Problem): The problem.

    Returns:
        tuple[str, str]: ``'torch'`` or ``'triton'``, and the reason.

    Raises:
        ValueError: If ``'triton'`` is asked for and does not support the
            problem, or there is no such backend.
    """
    check_backend(backend)
    if backend == 'torch':
        return 'torch', 'asked for'
    supported, reason = supports(problem)
    if backend == 'triton':
        if not supported:
            raise ValueError(f"backend='triton' cannot run: {reason}. Use "
                             "backend='auto', which takes plain torch then.")
        return 'triton', 'asked for'
    if supported and problem.device.type != 'cuda':
        return 'torch', "Triton's interpreter is for tests"
    return ('triton' if supported else 'torch'), reason


def fuses(x: Tensor, y: Tensor, lam: Tensor) -> bool:
    """Say whether one kernel can do all of a mix that Triton supports.

    Args:
        x (Tensor): First maps, ``(B, c, r)``.
        y (Tensor): Second maps, ``(B', c, r)``.
        lam (Tensor): Weights; the kernel has no gradient for them.

    Returns:
        bool: Whether it can; otherwise the parts run one after the other.
    """
    return (x.shape[2] <= FUSED_POSITIONS and x.dtype == y.dtype
            and x.dtype in FUSED_DTYPES and x.device == y.device
            and not lam.requires_grad)


@torch.compiler.assume_constant_result
def _refusal(device_type: str, index: int | None) -> str | None:
    """Why Triton does not run on a device, None if it does."""
    return _find_refusal(device_type, index)


@functools.cache
def _find_refusal(device_type: str, index: int | None) -> str | None:
    if importlib.util.find_spec('triton') is None:
        return 'Triton is not installed'
    if os.environ.get('TRITON_INTERPRET') == '1':
        return None
    if device_type != 'cuda':
        return f'Triton needs a CUDA device, not {device_type}'
    if torch.version.hip is not None:
        return 'the kernels are for NVIDIA devices'
    capability = torch.cuda.get_device_capability(index)
    if capability < OLDEST_CAPABILITY:
        return (f'the device has compute capability {capability}, the kernels '
                f'need {OLDEST_CAPABILITY}')
    return _failure(torch.device(device_type, index))


def _failure(device: torch.device) -> str | None:
    """What goes wrong when the kernels solve small problems, None if nothing.

    They need a C compiler and Python's headers at run time, and a driver that
    fits: the only check of all that is to try.
    """
    try:
        from ._triton import self_check
        self_check(device)
    except Exception as error:  # whatever it is, plain torch still works
        first_line = f'{type(error).__name__}: {error}'.split('\n')[0]
        warnings.warn(
            f'Triton does not work here ({first_line}); transport runs in '
            'plain torch, which is slower.', stacklevel=2)
        return f'Triton does not work here: {first_line}'
    return None
