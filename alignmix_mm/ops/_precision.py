"""One place that keeps matrix products in full float32."""
import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator

import torch

from ._compiling import constant_result, uncompiled

FULL = ('ieee', 'none')
BACKENDS = ('cuda', 'mkldnn')  # whose products may be rounded


def full_precision(device: torch.device) -> contextlib.AbstractContextManager:
    """Context that computes float32 matrix products in full float32.

    At ``eps = 0.1`` real costs are thousands of ``eps``: the rounding of a
    half precision or TF32 product is larger than the differences that decide
    the plan. The user's settings are restored afterwards. `torch.compile`
    cannot trace through the context if it has to change a setting.

    Args:
        device (torch.device): Device of the tensors.

    Returns:
        AbstractContextManager: It disables autocast on ``device``, and TF32
        and bfloat16 products on all devices.
    """
    return _without_rounding(device) if _rounds() else _no_autocast(device)


def _no_autocast(device: torch.device) -> contextlib.AbstractContextManager:
    if not _has_autocast(device.type):
        return contextlib.nullcontext()  # nothing to disable
    return torch.autocast(device.type, enabled=False)


@constant_result  # torch.compile of torch 2.11 cannot trace this call
def _has_autocast(kind: str) -> bool:
    return torch.amp.is_autocast_available(kind)


@contextlib.contextmanager
def _without_rounding(device: torch.device) -> Iterator[None]:
    restore = _set_full()
    try:
        with _no_autocast(device):
            yield
    finally:
        restore()


@constant_result  # torch.compile has its own guard for the setting
def _rounds() -> bool:
    """Whether float32 products currently use a lower precision."""
    if hasattr(torch._C, '_get_fp32_precision_getter'):
        return any(value not in FULL for value in _of_backends().values())
    return _legacy() != 'highest'


@uncompiled
def _of_backends() -> dict[str, str]:
    """The settings of torch's newer interface."""
    if not hasattr(torch._C, '_get_fp32_precision_getter'):
        return {}
    return {backend: torch._C._get_fp32_precision_getter(backend, 'matmul')
            for backend in BACKENDS}


@uncompiled
def _legacy() -> str | None:
    """The setting of torch's older interface; None if both were used."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # about the newer interface
        try:
            return torch.get_float32_matmul_precision()
        except RuntimeError:
            return None


@uncompiled
def _set_full() -> Callable[[], None]:
    """Set full precision; returns a function that restores the settings."""
    # Some versions of torch refuse products if the two interfaces disagree:
    # the older one sets both, the newer one only itself.
    legacy, settings = _legacy(), _of_backends()
    _assign('highest' if legacy else None, dict.fromkeys(settings, 'ieee'))
    return functools.partial(_assign, legacy, settings)


@uncompiled
def _assign(legacy: str | None, settings: dict[str, str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        if legacy is not None:
            torch.set_float32_matmul_precision(legacy)
        for backend, value in settings.items():
            torch._C._set_fp32_precision_setter(backend, 'matmul', value)
