"""Errors of users, said in one line."""
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def plain_errors(command: str, debug: bool) -> Iterator[None]:
    """End a command that fails with a sentence instead of a traceback.

    Args:
        command (str): Its words after `alignmix`.
        debug (bool): Whether the traceback is wanted.

    Yields:
        None: To what may fail.
    """
    try:
        yield
    except Exception as error:
        if debug:
            raise
        sys.exit(f'alignmix {command}: {sentence(error)} (--debug shows '
                 'where.)')


def sentence(error: Exception) -> str:
    """What an error says, without where it was raised.

    Args:
        error (Exception): The error; of a worker of a data loader, all of
            the worker's traceback is in its text.

    Returns:
        str: Its last line. The kind of the error is left out where its text
        is a sentence.
    """
    lines = [line.strip() for line in str(error).splitlines()
             if line.strip()]
    text = lines[-1] if lines else ''
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f'{error.strerror}: {error.filename}.'
    if 'Traceback (most recent call last)' in str(error):
        text = text.split(': ', 1)[-1]  # without the kind
    if text.endswith('.') and ' ' in text:
        return text
    return f'{type(error).__name__}: {text}' if text else type(error).__name__
