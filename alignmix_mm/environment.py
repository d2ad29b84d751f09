"""Versions and GPU of this environment; needs only Python."""
import functools
import importlib.metadata
import importlib.util
import platform
import warnings
from typing import NamedTuple

from .version import __version__

STACK = ('mmengine', 'mmcv', 'mmpretrain')
SHOWN = ('torch', 'torchvision', 'triton', 'numpy', 'ot', *STACK, 'cv2',
         'setuptools')


class Device(NamedTuple):
    """The GPU, as torch sees it.

    Attributes:
        cuda (str, optional): CUDA version that torch was built with.
        gpu (str, optional): Name of the first GPU that torch sees.
        kernels (bool): Whether our kernels run on it.
        reason (str): Why they do or do not.
    """

    cuda: str | None
    gpu: str | None
    kernels: bool
    reason: str


@functools.cache
def owners() -> dict[str, list[str]]:
    """Distributions that own each module, sorted and without repetitions."""
    return {module: sorted(set(names)) for module, names in
            importlib.metadata.packages_distributions().items()}


def version_of(name: str) -> str | None:
    """Version of a distribution, None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def is_there(module: str) -> bool:
    """Whether a module exists; it is not imported."""
    return importlib.util.find_spec(module) is not None


def device() -> Device:
    """Inspect the GPU.

    Returns:
        Device: What was found.
    """
    try:
        import torch

        from .ops._dispatch import Problem, supports
    except (ImportError, OSError) as error:  # OSError: a library is missing
        return Device(None, None, False, f'no torch ({error})')
    there = torch.cuda.is_available()
    where = torch.device('cuda', 0) if there else torch.device('cpu')
    with warnings.catch_warnings():  # the reason says the same
        warnings.simplefilter('ignore')
        kernels, reason = supports(Problem('annealed', where, 64, 64))
    if not there:
        return Device(torch.version.cuda, None, False, reason)
    major, minor = torch.cuda.get_device_capability(0)
    name = (f'{torch.cuda.get_device_name(0)} (compute capability '
            f'{major}.{minor})')
    return Device(torch.version.cuda, name, kernels, reason)


def rows() -> dict[str, str]:
    """Name and version of all relevant packages, and the GPU.

    Returns:
        dict[str, str]: Value of each row, by its name.
    """
    cuda, gpu, kernels, reason = device()
    return {
        'alignmix_mm': __version__, 'Python': platform.python_version(),
        **{module: _describe(module) for module in SHOWN},
        'CUDA of torch': cuda or 'none', 'GPU': gpu or 'none',
        'kernels': f'{"usable" if kernels else "not used"}: {reason}'}


def _describe(module: str) -> str:
    if not is_there(module):
        return 'missing'
    names = owners().get(module, [])
    return ', '.join(f'{version_of(name)} ({name})' for name in names) or (
        'not installed by pip')
