"""A progress bar for long work without a runner."""
from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar('Item')


def tracked(items: Sequence[Item], description: str) -> Iterator[Item]:
    """Iterate, with a bar where the output is a terminal.

    Lines that are printed meanwhile stay above the bar, which is gone at the
    end. In a file or a pipe nothing is shown.

    Args:
        items (Sequence): What to go through.
        description (str): What is done, beside the bar.

    Yields:
        Item: Each of them.
    """
    console = Console()
    yield from track(items, description, console=console, transient=True,
                     disable=not console.is_terminal)
