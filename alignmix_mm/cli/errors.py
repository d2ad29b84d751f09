"""Errors of the user in one or two lines."""
import os
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

_WIDTH, _LINES = 600, 2


@contextmanager
def brief_errors(debug: bool = False) -> Iterator[None]:
    """Print an error without its traceback, and exit with status 1.

    Args:
        debug (bool): Whether to show the traceback after all. Defaults to
            False.
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
    """Say what an error is, in at most two lines.

    Args:
        error (Exception): The error. Messages of this package are shown as
            they are, others after the name of their type.

    Returns:
        str: Text for the terminal.
    """
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args \
        else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    text = '\n'.join(lines[:_LINES]) or type(error).__name__
    text = textwrap.shorten(text, _WIDTH) if len(text) > _WIDTH else text
    ours = type(error) in (ValueError, OSError, FileNotFoundError) or (
        type(error).__module__.startswith('alignmix_mm'))
    return text if ours else (
        f'{type(error).__name__}: {text} (--debug shows where)')
