"""The smallest safe fixes for the OpenMMLab stack on today's Python.

Each is guarded by a test of what is broken, so it does nothing where the
stack was repaired. ``ALIGNMIX_NO_COMPAT=1`` switches all of them off.
"""
import importlib.metadata
import importlib.util
import inspect
import logging
import os
from pathlib import Path

logger = logging.getLogger(__name__)


def apply() -> list[str]:
    """Apply every fix that this stack needs.

    Returns:
        list[str]: What was done; empty if nothing was needed.
    """
    if os.environ.get('ALIGNMIX_NO_COMPAT') == '1':
        return []
    done = [fix.__name__ for fix in (
        _replace_pkg_resources, _load_safely, _write_whole) if fix()]
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
# tensors, and onedl-mmengine then unpickles whatever is in the file. What is
# downloaded, mmengine unpickles in any case.


def _load_safely(trusted: bool = False) -> bool:
    from mmengine.runner import checkpoint

    from .checkpoints import load_checkpoint, load_trusted, load_url
    checkpoint.CheckpointLoader.register_scheme(
        '', load_trusted if trusted else load_checkpoint, force=True)
    checkpoint.load_url = load_url
    return True


def trust_checkpoints() -> None:
    """Let files on this machine be unpickled, whatever they execute."""
    _load_safely(trusted=True)


# ---------------------------------------------------------------------------
# mmengine <= 0.10.7 writes over the file that it replaces: a process that is
# killed meanwhile leaves neither.


def _write_whole() -> bool:
    from mmengine.fileio import LocalBackend

    from .checkpoints import write_whole
    if 'replace(' in inspect.getsource(LocalBackend.put):
        return False

    def put(self, obj: bytes, filepath: str | Path) -> None:
        write_whole(obj, filepath)

    LocalBackend.put = put
    return True
