"""The smallest safe fixes for the OpenMMLab stack on today's Python.

Importing this package repairs what would fail, and nothing else: each repair
waits until the module that it mends is imported, and is guarded by a test of
what is broken. What makes a stack that works safer, our commands and
``ResumableCheckpointHook`` switch on by :func:`enable`.
``ALIGNMIX_NO_COMPAT=1`` switches all of it off.
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
    """Repair what would fail on this stack, once its module is there.

    Returns:
        list[str]: What was done at once, because its module was there.
    """
    return _when_imported(_REPAIRS)


@functools.cache  # asked again, it does not undo trust_checkpoints()
def enable() -> list[str]:
    """Make files safe too: whole when written, checked when loaded.

    A checkpoint is written beside the one that it replaces, and takes its
    name when it is complete. None can run code when it is loaded, from this
    machine or from a URL. And pkg_resources, which warns that it is
    deprecated and takes long to import, is no longer asked for packages.

    Returns:
        list[str]: What was done at once, because its module was there.
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
# mmengine <= 0.10.7 asks `pkg_resources`, which setuptools 82 no longer has,
# where packages live. Unnecessary with onedl-mmengine.


def _exists(module: str) -> bool:
    return (sys.modules.get(module) is not None
            or module not in sys.modules
            and importlib.util.find_spec(module) is not None)


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


def _replace_missing_pkg_resources(utils: ModuleType) -> bool:
    return not _exists('pkg_resources') and _replace_pkg_resources(utils)


def _replace_pkg_resources(utils: ModuleType) -> bool:
    if 'pkg_resources' not in inspect.getsource(utils.is_installed):
        return False
    # modules that are there already imported the names by value
    places = [utils, *filter(None, map(sys.modules.get, (
        'mmengine.utils', 'mmengine.config.config', 'mmengine.hub.hub')))]
    for module in places:
        for function in (is_installed, get_installed_path):
            if hasattr(module, function.__name__):
                setattr(module, function.__name__, function)
    return True


# ---------------------------------------------------------------------------
# torch >= 2.6 refuses what mmengine <= 0.10.7 stores in a checkpoint beside
# tensors. onedl-mmengine unpickles whatever is in the file, and so does any
# mmengine with what it downloads.


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
    """Let files and downloads be unpickled, whatever they execute."""
    from mmengine.runner import checkpoint

    from .checkpoints import load_trusted, load_url
    checkpoint.CheckpointLoader.register_scheme('', load_trusted, force=True)
    checkpoint.load_url = functools.partial(load_url, trust=True)


# ---------------------------------------------------------------------------
# mmengine <= 0.10.7 writes over the file that it replaces: a process that is
# killed meanwhile leaves neither.


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


# module that is mended: how
_REPAIRS = {
    'mmengine.utils.package_utils': _replace_missing_pkg_resources,
    'mmengine.runner.checkpoint': _load_at_all,
}
_SAFETY = {
    'mmengine.utils.package_utils': _replace_pkg_resources,
    'mmengine.runner.checkpoint': _load_safely,
    'mmengine.fileio.backends.local_backend': _write_whole,
}
