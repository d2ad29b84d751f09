"""Checkpoint files: written atomically, checked, loaded without running code.

MMEngine <= 0.10.7 overwrites the old file in place, and unpickles downloads,
which can execute code; :func:`compat.enable` installs these functions instead.
"""
import logging
import os
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.logging import print_log

from .downloads import cached_file
from .finding import find_latest, is_complete, newest_complete
from .reading import (
    CheckpointError,
    DamagedError,
    MissingError,
    RefusedError,
    read,
)
from .writing import PART, remove_unfinished, write_whole

__all__ = ['CheckpointError', 'PART', 'find_latest', 'is_complete',
           'load_checkpoint', 'load_trusted', 'load_url', 'newest_complete',
           'remove_unfinished', 'write_whole']

def load_checkpoint(filename: str,
                    map_location: str | Callable | None = None,
                    trust: bool = False) -> dict:
    """Load a local checkpoint, by default without executing code from it.

    Only tensors, plain containers, NumPy arrays and MMEngine's
    ``HistoryBuffer`` are loaded. ``meta['config']`` is left out, because
    MMEngine would execute it on resuming.

    Args:
        filename (str): Path of the file.
        map_location (str | Callable, optional): See ``torch.load``. Defaults
            to None.
        trust (bool): Whether to load any object, which can execute code.
            Defaults to False.

    Returns:
        dict: The checkpoint.

    Raises:
        MissingError: If there is no such file.
        CheckpointError: If the file holds other objects, or is damaged.
    """
    path = Path(filename).expanduser()
    if not path.exists():
        link = (f': it is a link to {os.readlink(path)}, which does not exist'
                if path.is_symlink() else '')
        raise MissingError(
            f'{filename} can not be found{link}. {_newest_beside(path)}')
    return _read(path, filename, _newest_beside, map_location, trust)


def load_trusted(filename: str,
                 map_location: str | Callable | None = None) -> dict:
    """Load a checkpoint with any objects, which can execute code.

    Args:
        filename (str): Path of the file.
        map_location (str | Callable, optional): See ``torch.load``. Defaults
            to None.

    Returns:
        dict: The checkpoint.
    """
    return load_checkpoint(filename, map_location, trust=True)


def load_url(url: str,
             model_dir: str | None = None,
             map_location: str | Callable | None = None,
             progress: bool = True,
             check_hash: bool = False,
             file_name: str | None = None,
             trust: bool = False) -> dict:
    """Download a checkpoint and load it like a local one.

    Args:
        url (str): Its URL.
        model_dir (str, optional): Folder to keep it in. Defaults to None,
            which means torch's folder.
        map_location (str | Callable, optional): See ``torch.load``. Defaults
            to None.
        progress (bool): Whether to show the progress. Defaults to True.
        check_hash (bool): See ``torch.hub.load_state_dict_from_url``.
            Defaults to False.
        file_name (str, optional): Its name in that folder. Defaults to None,
            which takes the name of
            :func:`alignmix_mm.engine.downloads.cached_file`.
        trust (bool): See :func:`load_checkpoint`. Defaults to False.

    Returns:
        dict: The checkpoint.

    Raises:
        CheckpointError: If it cannot be downloaded, and as in
            :func:`load_checkpoint`.
    """
    folder = Path(model_dir or Path(torch.hub.get_dir(), 'checkpoints'))
    path = folder / file_name if file_name else cached_file(url, folder)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        named = torch.hub.HASH_REGEX.search(path.name) if check_hash else None
        try:
            torch.hub.download_url_to_file(
                url, str(path), named and named[1], progress)
        except (OSError, RuntimeError) as error:  # network or hash
            raise CheckpointError(
                f'{url} could not be downloaded to {path}: {error}'
                ) from error
    return _read(path, url, _download_again, map_location, trust)


def _read(path: Path, name: str, remedy: Callable[[Path], str],
          map_location: str | Callable | None, trust: bool) -> dict:
    """Read a file; errors name it ``name`` and end with the remedy."""
    try:
        checkpoint = read(path, map_location, trust=trust)
    except RefusedError as error:
        raise RefusedError(
            f'Refused to load {name}: it holds more than tensors and what '
            'MMEngine stores with them, and loading that could execute code. '
            'If you trust its author, use --trust-checkpoint, or re-save only '
            f'its `state_dict`. The reason: {error}') from error
    except DamagedError as error:
        raise DamagedError(
            f'{name} is not a complete checkpoint: {error} '
            f'({path.stat().st_size} bytes). {remedy(path)}') from error
    except CheckpointError as error:
        raise CheckpointError(f'{name} cannot be loaded here: {error}'
                              ) from error
    return checkpoint if trust else _without_code(checkpoint, name)


def _newest_beside(path: Path) -> str:
    other = newest_complete(path.parent, besides=path)
    return ('The folder has no complete checkpoint.' if other is None else
            f'The newest complete checkpoint in the folder is {other} (to '
            f'continue its run: --resume {other})')


def _download_again(path: Path) -> str:
    return f'Remove its copy, {path}, to download it again.'


def _without_code(checkpoint: object, filename: str) -> object:
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    if isinstance(meta, dict) and meta.pop('config', None) is not None:
        print_log(f"Left out meta['config'] of {filename}, which is Python "
                  'code.', logger='current', level=logging.WARNING)
    return checkpoint
