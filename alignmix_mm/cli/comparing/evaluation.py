"""How a trained network is evaluated."""
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...evaluation.protocols import METRICS, NOISE
from ..common.inputs import SUFFIXES, find_images
from .base import Base


class Figure(NamedTuple):
    """A figure of the table.

    Attributes:
        title (str): Its column.
        lower_is_better (bool): What is better.
    """

    title: str
    lower_is_better: bool = False


#: Names that metrics have in MMEngine's results, ours, and what they are of.
_NAMES = (
    (r'accuracy/top1', 'accuracy', float),
    (r'calibration/(ece|oe)', r'\1', float),
    (r'(?!clean)(\w+)/error_top1', r'accuracy_\1', lambda x: 100 - x),
    (r'ood/(.+)/auroc', r'auroc_\1', float),
    (r'localization/(maxboxaccv2)', r'\1', float),
)
_TITLES = {'accuracy': 'accuracy', 'ece': 'ECE', 'oe': 'OE',
           'maxboxaccv2': 'MaxBoxAccV2'}
ERRORS = ('ece', 'oe')  # less is better


def figures_of(metrics: Mapping[str, float]) -> dict[str, float]:
    """The figures of a run by our names, in percent.

    Args:
        metrics (Mapping[str, float]): What tests returned.

    Returns:
        dict[str, float]: ``accuracy``, ``ece``, ``oe``, ``accuracy_fgsm``,
        ``auroc_NAME``, ...; others are left out.
    """
    return {re.sub(pattern, name, key): convert(value)
            for pattern, name, convert in _NAMES
            for key, value in metrics.items() if re.fullmatch(pattern, key)}


def title_of(figure: str) -> str:
    """What a figure is called in a table.

    Args:
        figure (str): Its name.

    Returns:
        str: The title.
    """
    kind, _, rest = figure.partition('_')
    return _TITLES.get(figure) or {
        'accuracy': f'{rest.upper()} accuracy',
        'auroc': f'AUROC {rest}'}[kind]


def tests_of(base: Base, metrics: Sequence[str], attacks: Sequence[str],
             ood: Sequence[str] | None, folder: Path) -> list[dict]:
    """Loops that evaluate a network.

    Args:
        base (Base): What all runs share.
        metrics (Sequence[str]): Names of ``METRICS``, or ``'ood'``.
        attacks (Sequence[str]): Names of ``ATTACKS``.
        ood (Sequence[str], optional): Folders, or distributions of noise.
            None for both distributions.
        folder (Path): Of the run.

    Returns:
        list[dict]: Configs of loops. A ``dataset`` in one takes the place of
        the test images.
    """
    evaluators = [dict(METRICS[name]) for name in metrics if name in METRICS]
    for evaluator in evaluators:
        if evaluator['type'] == 'CalibrationError':
            evaluator['out_dir'] = str(folder)
    loops = [dict(type='TestLoop', evaluator=evaluators)] * bool(evaluators)
    if 'ood' in metrics:
        loops.append(dict(
            type='TestLoop', evaluator=[dict(type='OODDetection')],
            dataset=_ood_sets(base, ood or NOISE)))
    if attacks:
        loops.append(dict(
            type='AdversarialTestLoop', attacks=list(attacks),
            evaluator=[dict(METRICS['accuracy'])]))
    return loops


def _ood_sets(base: Base, names: Sequence[str]) -> dict:
    known = base.cfg.test_dataloader.dataset.to_dict()
    unknown = {}
    for name in names:
        if name in NOISE:
            unknown[name] = dict(
                type='NoiseImages', distribution=name, image_size=base.size,
                num_images=base.test_images,
                pipeline=[dict(type='PackInputs')])
        elif Path(name).is_dir():
            find_images([Path(name)])  # exits if there are none
            short = Path(name).resolve().name
            unknown[name if short in unknown else short] = dict(
                type='CustomDataset', data_root=str(Path(name).resolve()),
                with_label=False, extensions=SUFFIXES,
                pipeline=_from_files(base))
        else:
            sys.exit(f'--ood {name}: this folder does not exist. Noise is '
                     f'{" or ".join(NOISE)}.')
    return dict(type='OODTestSets', known=known, unknown=unknown)


def _from_files(base: Base) -> list[dict]:
    """Transforms of a test, beginning with a file."""
    given = base.cfg.test_dataloader.dataset.to_dict()['pipeline']
    if str(given[0]['type']).split('.')[-1].startswith('Load'):
        return given
    load = [dict(type='LoadImageFromFile')]
    if not base.cfg.data_preprocessor.get('to_rgb'):  # pixels are RGB there
        load += [dict(type='NumpyToPIL', to_rgb=True),
                 dict(type='PILToNumpy')]
    return [*load, dict(type='Resize', scale=(base.size, base.size)), *given]
