"""Read the curves that a run logged."""
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

COUNTERS = ('step', 'epoch', 'iter')
TIMES = ('time', 'data_time')  # ignored for validations

Curves = dict[str, dict[int, float]]  # scalar: {step: value}


@dataclass
class Scalars:
    """The content of the ``scalars.json`` files of a run.

    Attributes:
        training (Curves): Curves by iteration.
        validation (Curves): Curves by epoch, or by iteration if the run
            counts iterations.
        iteration (int): The last logged iteration.
        epoch (int, optional): Its epoch, if the run counts epochs.
        starts (dict[int, int]): First logged iteration of each epoch.
        notes (list[str]): Problems with the files.
    """

    training: Curves = field(default_factory=dict)
    validation: Curves = field(default_factory=dict)
    iteration: int = 0
    epoch: int | None = None
    starts: dict[int, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def per_epoch(self) -> int | None:
        """Iterations of an epoch; None if the run does not count epochs."""
        if not self.starts:
            return None
        if len(self.starts) == 1:  # a lower bound
            return math.ceil(self.iteration / self.epoch)
        # MMEngine logs the same iterations of each epoch
        (first, start), *_, (last, end) = sorted(self.starts.items())
        return max(1, round((end - start) / (last - first)))


class Entry(NamedTuple):
    """One line of the file: a position in the run and its values."""

    step: int
    counters: dict[str, int]
    values: dict[str, float]

    @property
    def is_training(self) -> bool:
        """Whether it is from training; only those count iterations."""
        return 'iter' in self.counters


def read_scalars(files: Iterable[Path], by_epoch: bool = True) -> Scalars:
    """Read what a run logged, in one or several parts.

    A resumed run continues the curves. If it starts before the end of the
    previous part, the overlap is replaced by the later part.

    Args:
        files (Iterable[Path]): ``scalars.json`` of each part, oldest first.
        by_epoch (bool): Whether validations count epochs. Defaults to True.

    Returns:
        Scalars: The curves.
    """
    scalars = Scalars()
    for file in files:
        entries, damaged = read_entries(file)
        if damaged:
            scalars.notes.append(
                f'{file.parents[1].name}/vis_data/{file.name}: '
                f'{_count(damaged, "line")} cannot be read.')
        _cut(scalars, entries, 'epoch' if by_epoch else 'iter')
        for entry in entries:
            _add(scalars, entry)
    scalars.notes += _not_finite(scalars)
    return scalars


def read_entries(file: Path) -> tuple[list[Entry], int]:
    """Read a file, and skip damaged lines.

    The last line can be incomplete if the run was killed or is still writing.

    Args:
        file (Path): A ``scalars.json``, with one JSON object per line.

    Returns:
        tuple[list[Entry], int]: Its entries, and the number of damaged lines.
    """
    entries, damaged = [], 0
    text = file.read_text(encoding='utf-8-sig', errors='replace')
    for line in text.splitlines():
        try:
            entries.append(_parse(line))
        except (ValueError, KeyError, OverflowError, RecursionError):
            damaged += bool(line.strip())
    return entries, damaged


def numbers(values: dict) -> dict[str, float]:
    """Select the entries of a dict that are numbers.

    Args:
        values (dict): Anything by name.

    Returns:
        dict[str, float]: Without texts, lists, booleans and None. Integers
        beyond the range of floats become infinite.
    """
    return {key: _to_float(value) for key, value in values.items()
            if isinstance(value, (int, float))
            and not isinstance(value, bool)}


def _to_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _parse(line: str) -> Entry:
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise ValueError('Expected a JSON object.')
    entry = numbers(entry)
    counters = {key: int(entry[key]) for key in COUNTERS if key in entry}
    values = {k: v for k, v in entry.items() if k not in COUNTERS}
    if 'iter' not in counters:
        values = {k: v for k, v in values.items() if k not in TIMES}
    return Entry(counters['step'], counters, values)


def _cut(scalars: Scalars, entries: list[Entry], axis: str) -> None:
    """Remove values that the next part logs again."""
    first = next((e for e in entries if e.is_training), None)
    if first is None:
        return
    scalars.starts = {epoch: step for epoch, step in scalars.starts.items()
                      if step < first.step}
    ends = ((scalars.training, first.step),
            (scalars.validation, first.counters.get(axis, math.inf)))
    for curves, start in ends:
        for name, values in list(curves.items()):
            curves[name] = {k: v for k, v in values.items() if k < start}
            if not curves[name]:
                del curves[name]


def _add(scalars: Scalars, entry: Entry) -> None:
    if entry.is_training:
        scalars.iteration = entry.step
        scalars.epoch = entry.counters.get('epoch')
        if scalars.epoch and 'loss' in entry.values:
            scalars.starts.setdefault(scalars.epoch, entry.step)
    elif not entry.step:
        return  # a test before the first step is not part of the training
    curves = scalars.training if entry.is_training else scalars.validation
    for name, value in entry.values.items():
        curves.setdefault(name, {})[entry.step] = value


def _not_finite(scalars: Scalars) -> list[str]:
    notes = []
    for name, values in {**scalars.training, **scalars.validation}.items():
        bad = [step for step, v in values.items() if not math.isfinite(v)]
        if bad:
            notes.append(f'{name}: {_count(len(bad), "value")} of '
                         f'{len(values)} not finite, first at {bad[0]}.')
    return notes


def _count(number: int, noun: str) -> str:
    return f'{number} {noun}' + 's' * (number > 1)
