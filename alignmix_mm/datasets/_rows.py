"""Text files with numbers for images; errors name the line."""
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """A line of such a file.

    Attributes:
        path (Path): The file.
        line (int): Number of the line, from 1.
        text (str): The line.
        key (str): The first field, which names the image.
        values (list[float]): The other fields.
    """

    path: Path
    line: int
    text: str
    key: str
    values: list[float]

    def error(self, problem: str) -> ValueError:
        """Make an error that names the line.

        Args:
            problem (str): What is wrong with the line.

        Returns:
            ValueError: The error, not raised yet.
        """
        return ValueError(
            f'{self.path}, line {self.line}, {self.text!r}: {problem}.')


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Read a text file that was written on any system.

    Args:
        path (Path): The file, in UTF-8, with or without a byte-order mark.

    Returns:
        list[tuple[int, str]]: Number, from 1, and text of each line that is
        not empty.

    Raises:
        ValueError: If the file is not in UTF-8.
    """
    try:
        text = path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not a text file in UTF-8: {error}. Save '
                         'it in this encoding.') from error
    return [(number, line) for number, line in enumerate(text.split('\n'), 1)
            if line.strip()]


def read_rows(path: Path,
              fields: Sequence[str],
              separator: str | None = None) -> Iterator[Row]:
    """Read lines that hold an image and numbers.

    Args:
        path (Path): The file.
        fields (Sequence[str]): Names of all fields, for the messages.
        separator (str, optional): Separator of the fields. Defaults to None:
            white space.

    Yields:
        Row: Each line that is not empty.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line does not have these fields.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f'There is no file {path}, with lines of '
            f'`{(separator or " ").join(fields)}`.')
    for number, text in read_lines(path):
        # from the right: a path may contain the separator
        key, *values = text.strip().rsplit(separator, len(fields) - 1)
        row = Row(path, number, text, key, [])
        try:
            row.values.extend(map(float, values))
        except ValueError:
            values = []
        if len(values) != len(fields) - 1:
            raise row.error(
                f'expected `{(separator or " ").join(fields)}`, numbers '
                'after the first field')
        yield row
