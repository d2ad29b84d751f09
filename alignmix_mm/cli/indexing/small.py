"""What the study measured of a method: a small run, not the config itself."""
import json
from pathlib import Path
from statistics import fmean

from ..comparing.statistics import standard_error

PART = 'cifar100'
CONFIGS = {  # by the names of the study
    'baseline': 'baseline_r18_cifar100', 'mixup': 'input_r18_cifar100',
    'cutmix': 'cutmix_r18_cifar100', 'manifold': 'manifold_r18_cifar100',
    'saliencymix': 'saliencymix_r18_cifar100',
    'puzzlemix': 'puzzlemix_r18_cifar100',
    'comixup': 'comixup_r18_cifar100', 'alignmix': 'alignmix_r18_cifar100',
    'alignmix_ae': 'alignmix_r18_cifar100_ae'}


def measured_small(study: Path) -> dict[str, str]:
    """Accuracies of the study.

    Args:
        study (Path): Its results, ``study.json``. It may not exist.

    Returns:
        dict[str, str]: Text of a cell by the name of a config.
    """
    runs = json.loads(study.read_text()) if study.exists() else {}
    values: dict[str, list[float]] = {}
    for run in runs.get(PART, []):
        if run['method'] in CONFIGS and 'accuracy' in run['figures']:
            values.setdefault(CONFIGS[run['method']], []).append(
                run['figures']['accuracy'])
    return {name: _words(found) for name, found in values.items()}


def _words(values: list[float]) -> str:
    error = standard_error(values)
    spread = '' if error is None else f' ± {error:.2f}'
    runs = f'{len(values)} run{"s" * (len(values) > 1)}'
    link = '[measured, small](../docs/study.md)'
    return f'{link}: accuracy {fmean(values):.2f}{spread} ({runs})'
