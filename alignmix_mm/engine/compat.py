"""The smallest safe fixes for the OpenMMLab stack on current Python.

Importing this package repairs only what would fail. Each repair waits until
its module is imported, and first tests whether that module is broken. Changes
that make a working stack safer are switched on by :func:`enable`, which our
commands and ``ResumableCheckpointHook`` call.
``ALIGNMIX_NO_COMPAT=1`` switches off all of them.
"""
import functools
import importlib.metadata
import importlib.util
import inspect
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

from .._on_import import when_imported

logger = logging.getLogger(__name__)


def apply() -> list[str]:
    """Repair what would fail on this stack, once its module is imported.

    Returns:
        list[str]: Repairs made at once, because their modules were already
        imported.
    """
    return _when_imported(_REPAIRS)


@functools.cache  # a second call does not undo trust_checkpoints()
def enable() -> list[str]:
    """Make checkpoints safe: written atomically, checked when loaded.

    A checkpoint is written to a temporary file, which replaces the old one
    when it is complete. Loading a checkpoint, from this machine or from a URL,
    cannot execute code. Packages are no longer looked up with pkg_resources,
    which is deprecated and slow to import.

    Returns:
        list[str]: Changes made at once, because their modules were already
        imported.
    """
    return _when_imported(_SAFETY)


def _when_imported(fixes: Mapping[str, Callable[[ModuleType], bool]]
                   ) -> list[str]:
    done: list[str] = []
    if os.environ.get('ALIGNMIX_NO_COMPAT') != '1':
        for module, fix in fixes.items():
            when_imported(module, _logged(fix, done))
    return [*done]


def _logged(fix: Callable[[ModuleType], bool],
            done: list[str]) -> Callable[[ModuleType], None]:
    def run(module: ModuleType) -> None:
        if fix(module):
            done.append(fix.__name__)
            logger.info('applied %s', fix.__name__)

    return run


# ---------------------------------------------------------------------------
# mmengine <= 0.10.7 looks up packages with `pkg_resources`, which setuptools
# 82 no longer has. Not needed with onedl-mmengine.


def _exists(module: str) -> bool:
    return (sys.modules.get(module) is not None
            or module not in sys.modules
            and importlib.util.find_spec(module) is not None)


def is_installed(package: str) -> bool:
    """Check whether a distribution or importable module has this name.

    Args:
        package (str): Name of a distribution or module.

    Returns:
        bool: Whether it is installed.
    """
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        spec = importlib.util.find_spec(package)
        return spec is not None and spec.origin is not None
    return True


def get_installed_path(package: str) -> str:
    """Find the folder of a package.

    Args:
        package (str): Name of a module, or of a distribution whose module
            has a different name.

    Returns:
        str: Its folder.

    Raises:
        importlib.metadata.PackageNotFoundError: If it is not installed.
        RuntimeError: If it has no ``__init__.py``, so no single folder.
    """
    module = package
    if importlib.util.find_spec(module) is None:
        dist = importlib.metadata.distribution(package)
        names = (dist.read_text('top_level.txt') or '').split()
        module = names[0] if names else package
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise RuntimeError(f'Expected a regular package, but {package} has no '
                           '__init__.py.')
    return str(Path(spec.origin).parent)


def _replace_missing_pkg_resources(utils: ModuleType) -> bool:
    return not _exists('pkg_resources') and _replace_pkg_resources(utils)


def _replace_pkg_resources(utils: ModuleType) -> bool:
    if 'pkg_resources' not in inspect.getsource(utils.is_installed):
        return False
    # modules imported earlier hold references to the old functions
    places = [utils, *filter(None, map(sys.modules.get, (
        'mmengine.utils', 'mmengine.config.config', 'mmengine.hub.hub')))]
    for module in places:
        for function in (is_installed, get_installed_path):
            if hasattr(module, function.__name__):
                setattr(module, function.__name__, function)
    return True


# ---------------------------------------------------------------------------
# torch >= 2.6 refuses what mmengine <= 0.10.7 stores in a checkpoint besides
# tensors. onedl-mmengine unpickles any object in a file, and every mmengine
# unpickles any object in a download.


def _load_at_all(checkpoint: ModuleType) -> bool:
    import torch
    version = tuple(map(int, torch.__version__.split('.')[:2]))
    if version < (2, 6) or 'weights_only' in inspect.getsource(
            checkpoint.load_from_local):
        return False
    _load_files_safely(checkpoint)
    return True


def _load_safely(checkpoint: ModuleType) -> bool:
    from .checkpoints import load_url
    _load_files_safely(checkpoint)
    checkpoint.load_url = load_url
    return True


def _load_files_safely(checkpoint: ModuleType) -> None:
    from .checkpoints import load_checkpoint
    checkpoint.CheckpointLoader.register_scheme(
        '', load_checkpoint, force=True)


def trust_checkpoints() -> None:
    """Allow files and downloads to hold any object, which can run code."""
    from mmengine.runner import checkpoint

    from .checkpoints import load_trusted, load_url
    checkpoint.CheckpointLoader.register_scheme('', load_trusted, force=True)
    checkpoint.load_url = functools.partial(load_url, trust=True)


# ---------------------------------------------------------------------------
# mmengine <= 0.10.7 overwrites the old file in place: if the process is killed
# meanwhile, neither file is usable.


def _write_whole(local_backend: ModuleType) -> bool:
    backend = local_backend.LocalBackend
    source = inspect.getsource(backend.put)
    if 'replace(' in source or 'write_whole(' in source:
        return False

    def put(self, obj: bytes, filepath: str | Path) -> None:
        from .checkpoints import write_whole
        write_whole(obj, filepath)

    backend.put = put
    return True


# module: function that changes it
_REPAIRS = {
    'mmengine.utils.package_utils': _replace_missing_pkg_resources,
    'mmengine.runner.checkpoint': _load_at_all,
}
_SAFETY = {
    'mmengine.utils.package_utils': _replace_pkg_resources,
    'mmengine.runner.checkpoint': _load_safely,
    'mmengine.fileio.backends.local_backend': _write_whole,
}
