"""Numbers on the command line: values for the ``type`` of an option."""
import argparse
from collections.abc import Callable


def number(kind: type, accepts: Callable[[float], bool],
           expected: str) -> Callable[[str], float]:
    """Make the ``type`` of an option.

    Args:
        kind (type): ``int`` or ``float``.
        accepts (Callable): Says whether a number is valid.
        expected (str): What a valid number is, for the message.

    Returns:
        Callable: Turns the text into the number.
    """
    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not accepts(value):
            raise argparse.ArgumentTypeError(
                f'expected {expected}, got {text}')
        return value

    return read


positive = number(int, lambda n: n > 0, 'a whole number above 0')
count = number(int, lambda n: n >= 0, 'a whole number, 0 or more')
rate = number(float, lambda x: 0 < x < float('inf'), 'a number above 0')
share = number(float, lambda x: 0 < x < 1, 'a share between 0 and 1')
