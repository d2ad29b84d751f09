"""The smallest safe fixes for the OpenMMLab stack on today's Python.

Each is guarded by a test of what is broken, so it does nothing where the
stack was repaired. ``ALIGNMIX_NO_COMPAT=1`` switches all of them off.
"""
import importlib.metadata
import importlib.util
import inspect
import logging
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

logger = logging.getLogger(__name__)


def apply() -> list[str]:
    """Apply every fix that this stack needs.

    Returns:
        list[str]: What was done; empty if nothing was needed.
    """
    if os.environ.get('ALIGNMIX_NO_COMPAT') == '1':
        return []
    done = [fix.__name__ for fix in (_replace_pkg_resources, _load_safely)
            if fix()]
    for name in done:
        logger.info('applied %s', name)
    return done


# ---------------------------------------------------------------------------
# mmengine <= 0.10.7 asks `pkg_resources`, which setuptools 82 no longer has,
# where packages live. Unnecessary with onedl-mmengine.


def is_installed(package: str) -> bool:
    """Whether a distribution or an importable module has this name.

    Args:
        package (str): Name of a distribution or module.
    """
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        spec = importlib.util.find_spec(package)
        return spec is not None and spec.origin is not None
    return True


def get_installed_path(package: str) -> str:
    """Folder of a package.

    Args:
        package (str): Name of a module, or of a distribution whose module
            has another name.

    Returns:
        str: Its folder.

    Raises:
        importlib.metadata.PackageNotFoundError: If there is none.
    """
    module = package
    if importlib.util.find_spec(module) is None:
        dist = importlib.metadata.distribution(package)
        names = (dist.read_text('top_level.txt') or '').split()
        module = names[0] if names else package
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise RuntimeError(f'{package} has no folder: it is no regular '
                           'package.')
    return str(Path(spec.origin).parent)


def _replace_pkg_resources() -> bool:
    import mmengine.config.config
    import mmengine.hub.hub
    import mmengine.utils.package_utils as utils
    if 'pkg_resources' not in inspect.getsource(utils.is_installed):
        return False
    # the names were imported by value, so each place has its own
    for module in (utils, mmengine.utils, mmengine.config.config,
                   mmengine.hub.hub):
        for function in (is_installed, get_installed_path):
            if hasattr(module, function.__name__):
                setattr(module, function.__name__, function)
    return True


# ---------------------------------------------------------------------------
# torch >= 2.6 refuses what mmengine <= 0.10.7 stores in a checkpoint beside
# tensors, and onedl-mmengine then unpickles whatever is in the file.


def load_checkpoint(filename: str,
                    map_location: str | Callable | None = None) -> dict:
    """Load a local checkpoint without executing code from it.

    Tensors, plain containers, numpy arrays and MMEngine's ``HistoryBuffer``
    are loaded, nothing else.

    Args:
        filename (str): Path of the file.
        map_location (str | Callable, optional): See ``torch.load``. Defaults
            to None.

    Returns:
        dict: The checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        RuntimeError: If the file holds anything else.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'{filename} can not be found.')
    with torch.serialization.safe_globals(_allowed_globals()):
        try:
            return torch.load(
                path, map_location=map_location, weights_only=True)
        except pickle.UnpicklingError as error:
            reason = str(error).split('WeightsUnpickler error:')[-1]
            raise RuntimeError(
                f'Refused to load {filename}: it holds more than tensors and '
                'what MMEngine stores beside them, and loading that could '
                'execute code. If you trust its author, re-save its '
                f'`state_dict` alone. The reason: {reason.strip()[:300]}'
            ) from error


def _allowed_globals() -> list:
    from mmengine.logging import HistoryBuffer

    def statistic(owner, name: str):
        # HistoryBuffers pickle their methods as `getattr(HistoryBuffer, 'x')`
        if owner is not HistoryBuffer or name.startswith('_'):
            raise pickle.UnpicklingError(f'getattr({owner!r}, {name!r})')
        return getattr(owner, name)

    multiarray = (getattr(np, '_core', None) or np.core).multiarray
    numpy_names = [
        (getattr(multiarray, name), f'numpy.{core}.multiarray.{name}')
        for name in ('_reconstruct', 'scalar')
        for core in ('core', '_core')  # numpy 1 and numpy 2
    ]
    dtypes = {type(np.dtype(t)) for t in ('f2', 'f4', 'f8', 'i4', 'i8', 'u1',
                                          'u4', 'u8', '?')}
    return [HistoryBuffer, (statistic, 'builtins.getattr'), np.ndarray,
            np.dtype, *numpy_names, *dtypes]


def _load_safely() -> bool:
    from mmengine.runner.checkpoint import CheckpointLoader
    CheckpointLoader.register_scheme('', load_checkpoint, force=True)
    return True
