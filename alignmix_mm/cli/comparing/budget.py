"""How long a run is: steps, epochs or a time."""
import argparse
import re
from dataclasses import dataclass

SECONDS = {'s': 1, 'min': 60, 'h': 3600}


@dataclass(frozen=True)
class Budget:
    """The length of a run.

    Attributes:
        text (str): As it was typed.
        amount (float): Steps, epochs or seconds.
        unit (str): ``'it'``, ``'ep'`` or ``'s'``.
    """

    text: str
    amount: float
    unit: str

    @property
    def is_time(self) -> bool:
        """Whether steps depend on how long one takes."""
        return self.unit == 's'

    def steps(self, per_epoch: int,
              seconds_per_step: float | None = None) -> int:
        """How many steps that is.

        Args:
            per_epoch (int): Steps of an epoch.
            seconds_per_step (float, optional): Needed if it is a time.
                Defaults to None.

        Returns:
            int: At least 1.
        """
        count = {'it': lambda: self.amount,
                 'ep': lambda: round(self.amount * per_epoch),
                 's': lambda: self.amount / seconds_per_step}[self.unit]()
        return max(1, int(count))


def read_budget(text: str) -> Budget:
    """Read the length of a run.

    Args:
        text (str): ``'400it'``, ``'20ep'``, ``'90s'``, ``'30min'`` or
            ``'2h'``; epochs and times may have decimals.

    Returns:
        Budget: The length.

    Raises:
        argparse.ArgumentTypeError: If the text is anything else.
    """
    match = re.fullmatch(r'(\d+(?:\.\d+)?)(it|ep|s|min|h)', text)
    amount = float(match[1]) if match else 0.
    if amount <= 0 or (match[2] == 'it' and not amount.is_integer()):
        raise argparse.ArgumentTypeError(
            'expected steps, epochs or a time above 0, such as 400it, 20ep, '
            f'30min or 2h, got {text}')
    unit = match[2]
    return Budget(text, amount * SECONDS.get(unit, 1),
                  's' if unit in SECONDS else unit)
