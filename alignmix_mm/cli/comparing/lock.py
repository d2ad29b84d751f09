"""A lock on a folder that dies with its owner."""
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = '.lock'


@contextmanager
def locked(folder: Path, wait: bool = False) -> Iterator[None]:
    """Have a folder for oneself.

    The system takes the lock away when the process ends, however it ends;
    processes that it starts do not inherit it.

    Args:
        folder (Path): The folder, which is made if it is not there.
        wait (bool): Whether to wait for another process to end. Defaults to
            False: this process is ended with a sentence.

    Yields:
        None: As long as the lock is held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / FILE, 'a+') as file:
        try:
            # not flock(), which workers of data loaders would inherit
            fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except (BlockingIOError, PermissionError):
            file.seek(0)
            owner = file.read().strip() or 'one'
            sys.exit(f'Another process ({owner}) works in {folder}. Wait for '
                     'it, stop it, or give another --work-dir.')
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
