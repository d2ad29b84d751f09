"""Find how the configs of runs differ."""
from collections.abc import Iterator
from typing import Any, NamedTuple

from .records import RunRecord

OWN = ('work_dir', 'filename', 'experiment_name')  # differ anyway


class Difference(NamedTuple):
    """A setting that is not the same in all runs.

    Attributes:
        key (str): Its dotted key in the config.
        values (tuple[str | None, ...]): Its value in each config; None where
            it is not set.
    """

    key: str
    values: tuple[str | None, ...]


def differences(runs: list[RunRecord]) -> list[Difference]:
    """Compare the configs of runs, setting by setting.

    Args:
        runs (list[RunRecord]): Runs whose configs could be read.

    Returns:
        list[Difference]: In the order of the first config, followed by
        settings that only later ones have. Names of folders and experiments
        are left out.
    """
    settings = [dict(_flat(run.config.to_dict())) for run in runs]
    keys = dict.fromkeys(key for flat in settings for key in flat)
    found = [Difference(key, tuple(flat.get(key) for flat in settings))
             for key in keys if key not in OWN]
    return [one for one in found if len(set(one.values)) > 1]


def _flat(value: Any, key: str = '') -> Iterator[tuple[str, str]]:
    """Dotted keys and values of all settings that contain no dicts."""
    if isinstance(value, dict) and value:
        children = value.items()
    elif isinstance(value, (list, tuple)) and any(
            isinstance(child, dict) for child in value):
        children = enumerate(value)
    else:
        yield key, repr(value)
        return
    for name, child in children:
        yield from _flat(child, f'{key}.{name}' if key else str(name))
