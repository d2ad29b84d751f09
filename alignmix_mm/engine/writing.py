"""Write files atomically."""
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
    """Write a file atomically.

    The bytes go to a temporary file in the same folder, which is flushed and
    then renamed. If the process is killed, the old file and a ``*.part``
    remain. If there are several writers, the last one wins.

    Args:
        data (bytes): The content.
        filename (str | Path): The file.

    Raises:
        OSError: If there is no space left, or no permission. The old file
            remains.
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
                'checkpoints are complete: free some space and continue with '
                '--resume. To keep fewer checkpoints, set '
                'default_hooks.checkpoint.max_keep_ckpts.') from error
        raise


def remove_unfinished(folder: str | Path, pattern: str = '*') -> None:
    """Remove temporary files whose writers were killed.

    Args:
        folder (str | Path): The folder.
        pattern (str): Pattern for the final names of the files. Defaults to
            ``'*'``.
    """
    parts = {part for ending in (PART, f'.*{PART}')
             for part in Path(folder).glob(pattern + ending)}
    for part in parts:
        try:
            with open(part, 'rb') as file:
                if _lock(file):
                    part.unlink()
        except OSError:  # already removed, or not ours
            continue


@contextmanager
def _own_part(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Create a file that is locked as long as its writer is alive.

    It is removed at the end unless it was renamed.
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
    """Try to lock a file, and return whether this process has the lock.

    A lock ends with its process, even if that is killed. Without file locks
    (on Windows and some network file systems) the result is always False, so
    no file counts as unfinished.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
