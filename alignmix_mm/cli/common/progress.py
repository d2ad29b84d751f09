"""A progress bar for long loops outside a runner."""
from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar('Item')


def tracked(items: Sequence[Item], description: str) -> Iterator[Item]:
    """Iterate, with a progress bar if the output is a terminal.

    Lines printed in the loop appear above the bar, which disappears at the
    end. Nothing is shown in a file or a pipe.

    Args:
        items (Sequence): The items.
        description (str): Text next to the bar.

    Yields:
        Item: Each of them.
    """
    console = Console()
    yield from track(items, description, console=console, transient=True,
                     disable=not console.is_terminal)
