"""Read everything in the folder of a run into one record."""
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mmengine.config import Config

from ...engine.stored_config import parse_config
from ...evaluation.functional import BinStatistics
from .scalars import Scalars, numbers, read_scalars

PICTURES = ('.png', '.jpg', '.jpeg', '.svg', '.webp')
DRAWN_HERE = 'reliability'  # drawn from its table; the picture is skipped
SERIES = 'vis_image'  # folder for pictures that MMEngine saves at intervals
MAX_PICTURES = 24
START, END = 'System environment:', '-' * 20  # around it in a log


@dataclass(frozen=True)
class RunRecord:
    """A run of `alignmix train`, with the tests of its checkpoints.

    Attributes:
        name (str): Its name in the report.
        config_name (str): Name of its config without suffix; '' if none.
        config_text (str): Text of the config; empty without a config.
        config (Config, optional): The config, parsed; None if it cannot be.
        scalars (Scalars): Curves of training and validation.
        last_entry (datetime, optional): Time of the last logged scalars.
        tests (dict[str, dict[str, float]]): Metrics of each test, by the
            name of the file or folder that holds them, oldest first.
        table (BinStatistics, optional): The latest calibration table.
        table_source (str): Path of that table in the folder.
        pictures (tuple[Path, ...]): Picture files.
        environment (str): The environment in the latest log; '' if none.
        notes (tuple[str, ...]): Problems with its files, and choices made.
    """

    name: str
    config_name: str
    config_text: str
    config: Config | None
    scalars: Scalars
    last_entry: datetime | None
    tests: dict[str, dict[str, float]]
    table: BinStatistics | None
    table_source: str
    pictures: tuple[Path, ...]
    environment: str
    notes: tuple[str, ...]

    @property
    def by_epoch(self) -> bool:
        """Whether validations count epochs."""
        return counts_epochs(self.config)

    @property
    def planned(self) -> int | None:
        """Planned epochs or iterations of the training; None if unknown."""
        key = 'max_epochs' if self.by_epoch else 'max_iters'
        value = _setting(self.config, 'train_cfg', key)
        return value if type(value) is int and value > 0 else None

    @property
    def progress(self) -> str:
        """How far the training went, in words."""
        scalars = self.scalars
        reached = scalars.epoch if self.by_epoch else scalars.iteration
        if not scalars.iteration:
            return 'no training logged'
        if reached is None:
            return f'iteration {scalars.iteration}'
        of = f' of {self.planned}' if self.planned else ''
        return f'{"epoch" if self.by_epoch else "iteration"} {reached}{of}'


def counts_epochs(config: Config | None) -> bool:
    """Whether validations count epochs, which is MMEngine's default."""
    value = _setting(config, 'default_hooks', 'logger', 'log_metric_by_epoch')
    return value is None or bool(value)


def _setting(config: Config | None, *names: str) -> object:
    """A nested setting; None if the config does not have it."""
    value = config
    for name in names:
        value = value.get(name) if isinstance(value, (Config, dict)) else None
    return value


def read_runs(folders: Sequence[Path]) -> list[RunRecord]:
    """Read runs and give them different names.

    Args:
        folders (Sequence[Path]): Their folders.

    Returns:
        list[RunRecord]: The runs, in the given order.

    Raises:
        ValueError: If a folder is missing, holds no run, or is given twice.
    """
    paths = [folder.resolve() for folder in folders]
    if len(set(paths)) < len(paths):
        raise ValueError('A folder is named twice: '
                         + ', '.join(map(str, folders)))
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(paths):
        depth += 1
    return [read_run(path, '/'.join(path.parts[-depth:])) for path in paths]


def read_run(folder: Path, name: str) -> RunRecord:
    """Read the folder of a run.

    Args:
        folder (Path): The ``--work-dir`` of the run.
        name (str): Its name in the report.

    Returns:
        RunRecord: The run. Its notes list what could not be read.

    Raises:
        ValueError: If the folder is missing or does not hold a run.
    """
    if not folder.is_dir():
        raise ValueError(f'There is no folder {folder}.')
    if (folder / 'vis_data').is_dir():
        raise ValueError(f'{folder} is one part of a run. Name the folder '
                         f'above it, {folder.parent}.')
    notes: list[str] = []
    logged = sorted(folder.glob('*/vis_data/scalars.json'))
    config_name, config_text, config = _read_config(folder, logged, notes)
    scalars = read_scalars(logged, counts_epochs(config))
    tests = _read_tests(folder, notes)
    table, table_source = _read_table(folder, notes)
    if not (config_text or logged or tests or table):
        raise ValueError(
            f'{folder} does not hold a run of `alignmix train` or `alignmix '
            'test`: it has no config, no */vis_data/scalars.json, no '
            'metrics.json and no reliability.json.')
    return RunRecord(
        name, config_name, config_text, config, scalars,
        max(map(_written, logged), default=None), tests, table, table_source,
        _find_pictures(folder, notes), _read_environment(folder),
        (*notes, *scalars.notes))


def _written(file: Path) -> datetime:
    return datetime.fromtimestamp(file.stat().st_mtime)


def _read_config(folder: Path, logged: list[Path], notes: list[str],
                 ) -> tuple[str, str, Config | None]:
    """Name, text and parsed config, preferably of the training."""
    # a test may have left a config with a different name in this folder
    named = sorted(folder.glob('*.py'), key=lambda f: f.stem != folder.name)
    logs = [file.with_name('config.py') for file in logged[::-1]]
    file = next((f for f in [*logs, *named] if f.is_file()), None)
    if file is None:
        return '', '', None
    if len(named) > 1:
        notes.append(f'There are {len(named)} configs; {named[0].name} is '
                     'used as the config of the training.')
    name = named[0].stem if named else ''
    text = file.read_text(encoding='utf-8-sig', errors='replace')
    try:  # it is code, and the run may come from anyone
        return name, text, parse_config(text)
    except ValueError as error:
        notes.append(f'{file.name} is shown as text only, because it is not '
                     f'executed. {error}')
        return name, text, None


def _read_json(file: Path, notes: list[str]) -> dict:
    try:
        content = json.loads(file.read_text(encoding='utf-8-sig'))
        if isinstance(content, dict):
            return content
        reason = 'it does not hold named values'
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error)
    notes.append(f'{file.parent.name}/{file.name} cannot be read: {reason}.')
    return {}


def _read_tests(folder: Path, notes: list[str]) -> dict[str, dict]:
    """Results of `alignmix test`, by the folder of each test."""
    files = [folder / 'metrics.json', *sorted(folder.glob('*/metrics.json'))]
    tests = {file.parent.name if file.parent != folder else file.name:
             numbers(_read_json(file, notes))
             for file in files if file.is_file()}
    return {name: figures for name, figures in tests.items() if figures}


def _read_table(folder: Path, notes: list[str],
                ) -> tuple[BinStatistics | None, str]:
    files = [*folder.glob('reliability.json'),
             *sorted(folder.glob('*/reliability.json'))]
    for file in reversed(files):
        table = _read_json(file, notes)
        try:
            if table:
                return (BinStatistics.from_dict(table),
                        file.relative_to(folder).as_posix())
        except ValueError as error:
            notes.append(f'{file.parent.name}/{file.name} is not a table of '
                         f'CalibrationError. {error}')
    return None, ''


def _find_pictures(folder: Path, notes: list[str]) -> tuple[Path, ...]:
    """Pictures of the run, each in one format; only the last of a series."""
    found = {}
    for suffix in PICTURES:
        for file in sorted(folder.rglob(f'*{suffix}'), key=_age):
            if file.stem == DRAWN_HERE:
                continue
            if file.parent.name == SERIES:
                found[file.stem.rpartition('_')[0]] = file
            else:
                found.setdefault(file.with_suffix('').as_posix(), file)
    if len(found) > MAX_PICTURES:
        notes.append(f'{MAX_PICTURES} of {len(found)} pictures are shown.')
    return tuple(sorted(found.values())[:MAX_PICTURES])


def _age(file: Path) -> tuple[str, int, str]:
    """Sort key of a picture: part of the run, step and name."""
    step = file.stem.rpartition('_')[2]
    return (file.parent.as_posix(), int(step) if step.isdecimal() else 0,
            file.name)


def _read_environment(folder: Path) -> str:
    """Read the environment from the latest log, preferably of a training.

    A test may have run on a different machine.
    """
    def age(file: Path) -> tuple[bool, Path]:
        return (file.parent / 'vis_data' / 'scalars.json').is_file(), file

    for file in sorted(folder.glob('*/*.log'), key=age, reverse=True):
        with open(file, encoding='utf-8', errors='replace') as log:
            head = log.read(50_000)  # the rest of the log may be long
        if START in head:
            return head.split(START)[1].split(END)[0].strip('\n')
    return ''
