"""Collect the results of complete runs of unchanged configs."""
import json
import statistics
from pathlib import Path

from mmengine.config import Config

from ...engine.stored_config import parse_config

# what a result depends on; not paths of data, the seed or the device
SETTINGS = ('model', 'data_preprocessor', 'optim_wrapper', 'param_scheduler',
            'train_cfg')
METRICS = ('accuracy/top1', 'localization/maxboxaccv2')
LAST = 10  # number of validations in the median


def same_settings(run: Config, config: Config) -> bool:
    """Check whether a run had the settings of the config that it names.

    Args:
        run (Config): The config that the run wrote.
        config (Config): The config in the repository.

    Returns:
        bool: Whether the settings are the same.
    """
    same = all(run.get(key) == config.get(key) for key in SETTINGS)
    loaders = [c.train_dataloader for c in (run, config)]
    pipelines, sizes = zip(*(
        (loader.dataset.get('pipeline'), loader.batch_size)
        for loader in loaders))
    return same and pipelines[0] == pipelines[1] and sizes[0] == sizes[1]


def validations(folder: Path) -> dict[str, dict[int, float]]:
    """Read the validations during training.

    Args:
        folder (Path): Folder of a run.

    Returns:
        dict: For each metric, its values by epoch.
    """
    values = {metric: {} for metric in METRICS}
    for file in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            for metric in METRICS:
                if metric in entry and entry.get('step'):
                    values[metric][entry['step']] = entry[metric]
    return values


def result_of(folder: Path, epochs: int) -> dict | None:
    """Get the result of a complete run.

    Args:
        folder (Path): Folder of a run.
        epochs (int): Epochs of a complete run.

    Returns:
        dict, optional: ``metric``, ``last`` and, if there is more than one
        validation, ``best`` and ``last10_median``; None if the run is not
        complete. If the training did not validate, the result comes from
        ``metrics.json``, written by `alignmix test --out`.
    """
    for metric, values in validations(folder).items():
        if epochs in values:
            last = [values[n] for n in sorted(values)][-LAST:]
            result = dict(metric=metric, last=last[-1])
            if len(values) > 1:
                result.update(best=max(values.values()),
                              last10_median=statistics.median(last))
            return result
    file = folder / 'metrics.json'
    if not file.exists() or not (folder / f'epoch_{epochs}.pth').exists():
        return None
    tested = json.loads(file.read_text())
    found = [metric for metric in METRICS if metric in tested]
    return dict(metric=found[0], last=tested[found[0]]) if found else None


def _is_of(config: Config, dump: Path) -> bool:
    """Whether a dumped config has the settings of a config."""
    try:  # a run may come from anyone, so nothing is executed
        run = parse_config(dump.read_text(encoding='utf-8-sig'))
    except ValueError:
        return False
    return same_settings(run, config)


def collect(work_dirs: Path, configs: dict[str, Path]) -> dict[str, dict]:
    """Collect the results of all complete runs below a folder.

    Args:
        work_dirs (Path): Folder of runs.
        configs (dict[str, Path]): Configs by name.

    Returns:
        dict[str, dict]: For each config with results, ``metric`` and
        ``runs``, a list with ``last``, ``best`` and ``last10_median``.
    """
    results: dict[str, dict] = {}
    for dump in sorted(work_dirs.rglob('*.py')):
        if dump.stem not in configs:
            continue
        config = Config.fromfile(configs[dump.stem])
        result = result_of(dump.parent, config.train_cfg.max_epochs)
        if result is None or not _is_of(config, dump):
            continue
        metric = result.pop('metric')
        entry = results.setdefault(dump.stem, dict(metric=metric, runs=[]))
        entry['runs'].append(
            {key: round(value, 2) for key, value in result.items()})
    return results
