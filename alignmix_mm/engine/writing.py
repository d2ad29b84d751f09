"""Files that are there as a whole or not at all."""
import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

PART = '.part'  # suffix of a file that is being written


def write_whole(data: bytes, filename: str | Path) -> None:
    """Write a file so that it is there as a whole or not at all.

    The bytes go to a file beside it, which is this writer's own and then
    takes the name. A process that is killed leaves the old file, and a
    ``*.part``. Of several writers the last one wins.

    Args:
        data (bytes): What to write.
        filename (str | Path): Where.

    Raises:
        OSError: If there is no space left, or no permission. The old file
            stays.
    """
    path = Path(filename)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _own_part(path) as (part, file):
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            part.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OSError(
                error.errno,
                f'{os.strerror(error.errno)}: {path} of '
                f'{len(data) / 2**20:.1f} MiB could not be written. Older '
                'checkpoints are complete: make space, and go on with '
                '--resume. default_hooks.checkpoint.max_keep_ckpts keeps '
                'fewer of them.') from error
        raise


def remove_unfinished(folder: str | Path, pattern: str = '*') -> None:
    """Remove files whose writers ended before they did.

    Args:
        folder (str | Path): The folder.
        pattern (str): Of the names of the files that were to be written.
            Defaults to all.
    """
    parts = {part for ending in (PART, f'.*{PART}')
             for part in Path(folder).glob(pattern + ending)}
    for part in parts:
        try:
            with open(part, 'rb') as file:
                if _lock(file):
                    part.unlink()
        except OSError:  # gone already, or not ours
            continue


@contextmanager
def _own_part(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file that is locked as long as its writer lives.

    It is removed unless it has been renamed.
    """
    while True:
        part = path.with_name(f'{path.name}.{secrets.token_hex(6)}{PART}')
        with open(part, 'xb') as file:
            _lock(file)
            if not part.exists():  # removed before it was locked
                continue
            try:
                yield part, file
            finally:
                part.unlink(missing_ok=True)
            return


def _lock(file: BinaryIO) -> bool:
    """Whether this process has the lock of a file, or now gets it.

    Locks end with their process, however it ends. Without locks of files
    (Windows, some network file systems) nobody is known to have ended.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
