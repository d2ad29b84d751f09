"""Checkpoint files: written whole, checked, and loaded without running code.

MMEngine <= 0.10.7 writes over the file that it replaces, and loads whatever a
pickle says; :func:`compat.enable` puts these functions in their place.
"""
import errno
import logging
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, print_log

PART = '.part'  # suffix of a file that is being written


def write_whole(data: bytes, filename: str | Path) -> None:
    """Write a file so that it is there as a whole or not at all.

    The bytes go to a file beside it, which then takes its name. A process
    that is killed leaves the old file, and a ``*.part``.

    Args:
        data (bytes): What to write.
        filename (str | Path): Where.

    Raises:
        OSError: If there is no space left, or no permission. The old file
            stays.
    """
    path = Path(filename)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + PART)
    try:
        with open(part, 'wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OSError(
                error.errno,
                f'{os.strerror(error.errno)}: {path} of '
                f'{len(data) / 2**20:.1f} MiB could not be written. Older '
                'checkpoints are complete: make space, and go on with '
                '--resume. default_hooks.checkpoint.max_keep_ckpts keeps '
                'fewer of them.') from error
        raise


def is_complete(filename: str | Path) -> bool:
    """Whether a checkpoint can be read to its end.

    Args:
        filename (str | Path): A file that ``torch.save`` wrote, which is a
            zip archive with checksums.
    """
    try:
        with zipfile.ZipFile(filename) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def newest_complete(folder: str | Path) -> Path | None:
    """The newest checkpoint of a folder that can be read to its end.

    Args:
        folder (str | Path): The folder.

    Returns:
        Path, optional: None if there is none. Files of the best epoch are
        not looked at: they cannot be resumed.
    """
    files = [path for path in Path(folder).glob('*.pth')
             if not path.name.startswith('best_')]
    files.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return next(filter(is_complete, files), None)


def find_latest(work_dir: str | Path) -> Path | None:
    """The checkpoint from which a run goes on.

    Args:
        work_dir (str | Path): Folder of the run.

    Returns:
        Path, optional: What ``last_checkpoint`` names. If it names nothing,
        because the run was killed while it was written, or a file that is
        gone, the newest complete checkpoint; None if there is none.
    """
    pointer = Path(work_dir) / 'last_checkpoint'
    name = pointer.read_text().strip() if pointer.is_file() else ''
    if name and Path(name).is_file():
        return Path(name)
    moved = Path(work_dir) / Path(name).name  # the folder has been moved
    return moved if name and moved.is_file() else newest_complete(work_dir)


def load_trusted(filename: str,
                 map_location: str | Callable | None = None) -> dict:
    """Load whatever is in a local checkpoint, and execute what it says.

    Args:
        filename (str): Path of the file.
        map_location (str | Callable, optional): See ``torch.load``. Defaults
            to None.

    Returns:
        dict: The checkpoint.
    """
    return torch.load(filename, map_location=map_location, weights_only=False)


def load_checkpoint(filename: str,
                    map_location: str | Callable | None = None) -> dict:
    """Load a local checkpoint without executing code from it.

    Tensors, plain containers, numpy arrays and MMEngine's ``HistoryBuffer``
    are loaded, nothing else. ``meta['config']``, which MMEngine would execute
    on resuming, is left out.

    Args:
        filename (str): Path of the file.
        map_location (str | Callable, optional): See ``torch.load``. Defaults
            to None.

    Returns:
        dict: The checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        RuntimeError: If the file holds anything else, or is damaged.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'{filename} can not be found.')
    if _is_damaged(path):  # torch does not look at the checksums
        raise RuntimeError(_damage(path))
    with torch.serialization.safe_globals(_allowed_globals()):
        try:
            checkpoint = torch.load(
                path, map_location=map_location, weights_only=True)
        except pickle.UnpicklingError as error:
            raise RuntimeError(_refusal(filename, error)) from error
        except (RuntimeError, EOFError, OSError) as error:
            if is_complete(path):
                raise
            raise RuntimeError(_damage(path)) from error
    return _without_code(checkpoint, filename)


def load_url(url: str,
             model_dir: str | None = None,
             map_location: str | Callable | None = None,
             progress: bool = True,
             **kwargs) -> dict:
    """Download a checkpoint and load it without executing code from it.

    Args:
        url (str): Where it is.
        model_dir (str, optional): Folder to keep it in. Defaults to None,
            torch's.
        map_location (str | Callable, optional): See ``torch.load``. Defaults
            to None.
        progress (bool): Whether to show the progress. Defaults to True.
        **kwargs: See ``torch.hub.load_state_dict_from_url``.

    Returns:
        dict: The checkpoint.

    Raises:
        RuntimeError: If the file holds more than :func:`load_checkpoint`
            loads.
    """
    kwargs['weights_only'] = True
    with torch.serialization.safe_globals(_allowed_globals()):
        try:
            checkpoint = torch.hub.load_state_dict_from_url(
                url, model_dir, map_location, progress, **kwargs)
        except pickle.UnpicklingError as error:
            raise RuntimeError(_refusal(url, error)) from error
    return _without_code(checkpoint, url)


def _is_damaged(path: Path) -> bool:
    """Whether a file was a zip archive once; old formats are none."""
    with open(path, 'rb') as file:
        start = file.read(4)
    return len(start) < 4 or (start == b'PK\x03\x04'
                              and not is_complete(path))


def _damage(path: Path) -> str:
    other = newest_complete(path.parent)
    remedy = ('There is no complete one beside it.' if other is None else
              f'The newest complete one beside it is {other}: '
              f'--resume {other}')
    return (f'{path} is no complete checkpoint ({path.stat().st_size} bytes): '
            f'it was cut off or damaged. {remedy}')


def _refusal(filename: str, error: Exception) -> str:
    reason = str(error).split('WeightsUnpickler error:')[-1]
    return (f'Refused to load {filename}: it holds more than tensors and what '
            'MMEngine stores beside them, and loading that could execute '
            'code. If you trust its author: --trust-checkpoint, or re-save '
            f'its `state_dict` alone. The reason: {reason.strip()[:300]}')


def _without_code(checkpoint: object, filename: str) -> object:
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    if isinstance(meta, dict) and meta.pop('config', None) is not None:
        print_log(f"Left out meta['config'] of {filename}, which is Python "
                  'code.', logger='current', level=logging.WARNING)
    return checkpoint


def _allowed_globals() -> list:
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
