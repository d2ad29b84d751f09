"""Which backend solves a transport problem, and why."""
import functools
import importlib.util
import logging
import os
import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from ._compiling import constant_result

logger = logging.getLogger('alignmix_mm')

BACKENDS = ('auto', 'torch', 'triton')
MAX_POSITIONS = 256  # a larger tile of rows does not fit into registers
FUSED_POSITIONS = 64  # a larger problem does not fit as a whole
FUSED_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
OLDEST_CAPABILITY = (8, 0)  # of CUDA devices that have TF32 products


class Problem(NamedTuple):
    """What the choice of a backend depends on.

    Attributes:
        solver (str): ``'annealed'`` or ``'log'``.
        device (torch.device): Device of the tensors.
        r (int): Rows of a plan.
        s (int): Columns of a plan.
        dtype (torch.dtype): dtype of the tensors. Defaults to float32.
    """

    solver: str
    device: torch.device
    r: int
    s: int
    dtype: torch.dtype = torch.float32


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
    solver, device, r, s, dtype = problem
    if solver != 'annealed':
        return False, f'solver={solver!r} runs in plain torch'
    if r != s:
        return False, f'{r} and {s} positions; the kernels need r = s'
    if r > MAX_POSITIONS:
        return False, f'{r} positions are more than {MAX_POSITIONS}'
    refusal = _refusal(device.type, device.index, r, dtype)
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
                             "backend='auto' to fall back to plain torch.")
        return 'triton', 'asked for'
    if supported and problem.device.type != 'cuda':
        return 'torch', "Triton's interpreter is for tests"
    return ('triton' if supported else 'torch'), reason


def fuses(x: Tensor, y: Tensor, lam: Tensor) -> bool:
    """Say whether one kernel can do all of a mix that Triton supports.

    Args:
        x (Tensor): First maps, ``(B, c, r)``, floating point.
        y (Tensor): Second maps, ``(B', c, r)``, floating point.
        lam (Tensor): Weights, ``(1, )`` or ``(B, )``; the kernel computes
            no gradient for them.

    Returns:
        bool: Whether it can. If not, cost, plan and mix run one by one.
    """
    return (x.shape[2] <= FUSED_POSITIONS and x.dtype == y.dtype
            and x.dtype in FUSED_DTYPES and x.device == y.device
            and not lam.requires_grad)


@constant_result
def _refusal(device_type: str, index: int | None, r: int,
             dtype: torch.dtype) -> str | None:
    """Why the kernels do not run on a device, None if they do."""
    refusal = _unfit(device_type, index)
    if refusal or device_type != 'cuda' or _interpreted():
        return refusal
    if index is None:
        index = torch.cuda.current_device()
    return _check_once(torch.device(device_type, index), r, dtype)


def _interpreted() -> bool:
    return os.environ.get('TRITON_INTERPRET') == '1'


@functools.cache
def _unfit(device_type: str, index: int | None) -> str | None:
    """Why the kernels cannot run on a device, if known without a trial."""
    if importlib.util.find_spec('triton') is None:
        return 'Triton is not installed'
    if _interpreted():
        return None
    if device_type != 'cuda':
        return f'Triton needs a CUDA device, not {device_type}'
    if torch.version.hip is not None:
        return 'the kernels are for NVIDIA devices'
    capability = torch.cuda.get_device_capability(index)
    if capability < OLDEST_CAPABILITY:
        return (f'the device has compute capability {capability}, the kernels '
                f'need {OLDEST_CAPABILITY}')
    return None


# Results of the checks of devices, by device, positions and dtype.
_said: dict[tuple, str | None] = {}


def _check_once(device: torch.device, r: int,
                dtype: torch.dtype) -> str | None:
    """What goes wrong when the kernels solve a small problem, or None.

    Fake tensors have no values to compare, and nothing can be compared while
    a graph is captured. In both cases the answer is a guess, and not kept.
    """
    key = device, r, dtype
    if key in _said:
        return _said[key]
    if _values_are_fake():
        return None
    if torch.cuda.is_current_stream_capturing():
        return 'a graph is being captured, and the kernels are unchecked yet'
    error = _failure(device, r, dtype)
    if error is None and device not in (known[0] for known in _said):
        logger.info('Triton kernels passed their check on %s.', device)
    refusal = None if error is None else _describe(error)
    if not _may_pass(error):
        _said[key] = refusal
    return refusal


def _may_pass(error: Exception | None) -> bool:
    """Whether the same check may succeed later."""
    return (isinstance(error, (MemoryError, OSError))
            or 'out of memory' in str(error).lower())


def _values_are_fake() -> bool:
    fake = torch._C._TorchDispatchModeKey.FAKE
    return torch._C._get_dispatch_mode(fake) is not None


def _failure(device: torch.device, r: int,
             dtype: torch.dtype) -> Exception | None:
    """Run the check; warn of its error and return it, or return None."""
    try:
        from ._check import self_check
        self_check(device, r, dtype)
    except Exception as error:  # whatever it is, plain torch still works
        warnings.warn(
            f'{_describe(error)}; transport runs in plain torch, which is '
            'slower.', stacklevel=2)
        return error
    return None


def _describe(error: Exception) -> str:
    first_line = f'{type(error).__name__}: {error}'.split('\n')[0]
    return f'Triton does not work here ({first_line})'
