"""User errors, shown in one or two lines."""
import os
import sys
import textwrap
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WIDTH, _LINES = 600, 2  # of a message
_PACKAGE = Path(__file__).parents[1]


@contextmanager
def brief_errors(debug: bool = False) -> Iterator[None]:
    """Print an error without its traceback, and exit with status 1.

    Args:
        debug (bool): Whether to show the traceback. Defaults to False.
    """
    try:
        yield
    except BrokenPipeError:  # `alignmix predict ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        sys.exit(describe(error))


def describe(error: Exception) -> str:
    """Describe an error in at most two lines.

    Args:
        error (Exception): The error. Messages of this package are shown
            unchanged, others after the name of the error's type.

    Returns:
        str: Text for the terminal.
    """
    text = str(error)
    if isinstance(error, KeyError) and error.args:
        text = str(error.args[0])  # which str() quotes
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f'{error.filename}: {error.strerror}.'
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if 'Traceback (most recent call last)' in text:  # from a worker
        lines = [lines[-1].split(': ', 1)[-1]]
    text = '\n'.join(lines[:_LINES])
    if len(text) > _WIDTH:
        text = textwrap.shorten(text, _WIDTH)
    frames = traceback.extract_tb(error.__traceback__)
    if frames and Path(frames[-1].filename).is_relative_to(_PACKAGE):
        return text
    return f'{type(error).__name__}: {text} (--debug shows where)'
