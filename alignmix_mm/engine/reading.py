"""The only reader of checkpoint files, wherever they come from.

torch does not verify the checksums in its files, so a damaged file can raise
any error. Here a file is checked before it is read, and every error except
lack of memory on the device is a :class:`CheckpointError`.
"""
import importlib.util
import pickle
import re
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

# the pickled number with which files of torch < 1.6 begin
OLD_FORMAT = 0x1950a86a20f9469cfc6c.to_bytes(10, 'little')
ARCHIVE = b'PK\x03\x04'
TORCHS_READER = 'PytorchStreamReader'
# advice of torch that does not apply here
ADVICE = re.compile(r'[.:]? (This is an internal|Please use|Check the doc).*')


class CheckpointError(RuntimeError):
    """A file cannot be used as a checkpoint; the message says why."""


class MissingError(CheckpointError, FileNotFoundError):
    """A file does not exist."""


class DamagedError(CheckpointError):
    """A file is damaged or is not a checkpoint."""


class RefusedError(CheckpointError):
    """A file asks for code to be executed."""


def find_problem(filename: str | Path) -> str | None:
    """Look for damage in a checkpoint file.

    Args:
        filename (str | Path): A file written by ``torch.save``, which is a
            zip archive with checksums. Older formats have no checksums, so
            only their first bytes are checked.

    Returns:
        str, optional: The problem, as a clause; None if none was found.
    """
    try:
        with open(filename, 'rb') as file:
            head = file.read(512)
        if head.startswith(ARCHIVE) or zipfile.is_zipfile(filename):
            return _find_problem_of_archive(filename, head)
        return _find_problem_of_head(head, Path(filename))
    except Exception as error:  # damage can make zipfile raise anything
        if isinstance(error, OSError) and error.strerror:
            return f'it cannot be read: {error.strerror}'
        return _damaged(_reason(error))


def read(path: Path, map_location: str | Callable | None = None, *,
         trust: bool = False) -> object:
    """Check a checkpoint file and load it.

    Args:
        path (Path): The file.
        map_location (str | Callable, optional): See ``torch.load``. Defaults
            to None.
        trust (bool): Whether to load any object, which can execute code.
            Defaults to False.

    Returns:
        object: Its content, usually a dict.

    Raises:
        RefusedError: If it asks for code to be executed and is not trusted.
        DamagedError: If it is damaged or not a checkpoint.
        CheckpointError: If it is complete but cannot be loaded here.
    """
    problem = find_problem(path)
    if problem is not None:
        raise DamagedError(problem)
    try:
        return load(path, map_location=map_location, weights_only=not trust)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # a pickle can make torch raise anything
        raise _explain(error, zipfile.is_zipfile(path), trust) from error


def load(path: Path, **options: object) -> object:
    """Call ``torch.load``, allowing what MMEngine stores besides tensors.

    Args:
        path (Path): The file.
        **options: See ``torch.load``.

    Returns:
        object: The content of the file.
    """
    with torch.serialization.safe_globals(_allowed_globals()):
        return torch.load(path, **options)


def _find_problem_of_archive(filename: str | Path,
                             head: bytes) -> str | None:
    with zipfile.ZipFile(filename) as archive:
        broken = archive.testzip()
        names = archive.namelist()
    if broken is not None:
        return ('it was cut off or damaged: the checksum of its part '
                f'{broken} is wrong')
    if not any(name.endswith('/data.pkl') for name in names):
        return ('it is a zip archive without data.pkl, so it is not a '
                'checkpoint; unpack it if there is one inside')
    if not head.startswith(ARCHIVE):  # torch checks here, zipfile the end
        return 'it was damaged: there are extra bytes before its start'
    return None


def _find_problem_of_head(head: bytes, path: Path) -> str | None:
    if path.suffix == '.safetensors' and any(head) or OLD_FORMAT in head[:32]:
        return None
    if not any(head):
        state = 'begins with zeros' if head else 'is empty'
        return f'it {state}, so it was cut off or damaged'
    if head.lstrip(b'\xef\xbb\xbf \t\r\n')[:1] == b'<':
        return ('it is not a checkpoint but a web page or XML, which servers '
                'send when a file is missing')
    if head.startswith(b'version https://git-lfs'):
        return ('it is not a checkpoint but a pointer of Git LFS: get the '
                'file with `git lfs pull`')
    if tarfile.is_tarfile(path):
        return None
    return 'it is not a file of torch.save, or its beginning was damaged'


def _explain(error: Exception, has_checksums: bool,
             trust: bool) -> CheckpointError:
    """Turn an error of ``torch.load`` into one that says what is wrong."""
    reason = _reason(error)
    if isinstance(error, pickle.UnpicklingError) and not trust and (
            has_checksums or _asks_for_code(reason)):
        return RefusedError(reason)
    if has_checksums and TORCHS_READER not in str(error):
        return CheckpointError(reason)
    return DamagedError(_damaged(reason))


def _asks_for_code(reason: str) -> bool:
    """Whether the code named in a file without checksums exists here.

    If not, the name was damaged or belongs to a package that is not installed.
    """
    found = re.search(r'GLOBAL (\S+)', reason)
    module, _, name = found[1].rpartition('.') if found else ('', '', '')
    if module in sys.modules:
        return name in vars(sys.modules[module])
    # do not import a module only to check the name
    top = module.partition('.')[0] if name else ''
    return (top not in sys.modules and top != ''
            and importlib.util.find_spec(top) is not None)


def _damaged(reason: str) -> str:
    return f'it was cut off or damaged ({reason})'


def _reason(error: Exception) -> str:
    """The message of Python or torch in one line, without its advice."""
    text = str(error)
    if text.startswith('Weights only load failed'):  # reason comes later
        text = re.split(r'WeightsUnpickler error:|\n\n', text.split(
            '\n\nCheck the doc')[0])[-1]
    text = ADVICE.sub('', ' '.join(text.split()))
    text = text.removeprefix(f'{TORCHS_READER} failed ')
    return f'{type(error).__name__}: {text[:200]}'


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
