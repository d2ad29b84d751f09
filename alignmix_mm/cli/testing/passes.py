"""Turn options into test loops for a runner."""
import argparse
import copy
import sys
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmpretrain.registry import DATASETS

from ...datasets import CUBWithBoxes, WSOLMetadata
from ...evaluation.protocols import METRICS, NOISE
from ..common.inputs import SUFFIXES, file_pipeline, find_images


def passes(cfg: Config, args: argparse.Namespace) -> list[dict[str, Any]]:
    """List the test loops to run, one after the other.

    Args:
        cfg (Config): Config of the test; its network is changed in place if
            a metric needs class activation maps.
        args (Namespace): ``metrics``, ``attack`` and ``ood``.

    Returns:
        list[dict]: Settings of the loops, with data loaders and evaluators.
    """
    if args.metrics is None and not args.attack:
        return [dict({'type': 'TestLoop', **cfg.test_cfg},
                     dataloader=cfg.test_dataloader,
                     evaluator=cfg.test_evaluator)]
    plain = dict(type='TestLoop', fp16=cfg.test_cfg.get('fp16', False))
    known = dict(cfg.test_dataloader, dataset=known_set(cfg))
    loops = []
    names = [name for name in args.metrics or () if name in METRICS]
    if names:
        loops.append(dict(plain, dataloader=known,
                          evaluator=evaluators(cfg, names)))
    if 'localization' in names:
        check_boxes(cfg)
        show_where(cfg.model)
    if 'ood' in (args.metrics or ()):
        loops.append(dict(
            plain, dataloader=dict(known, dataset=ood_sets(cfg, args.ood)),
            evaluator=[_given(cfg, 'OODDetection')
                       or dict(type='OODDetection')]))
    if args.attack:
        loops.append(dict(
            type='AdversarialTestLoop', attacks=args.attack, dataloader=known,
            evaluator=[METRICS['accuracy']]))
    return loops


def known_set(cfg: Config) -> dict:
    """Get the settings of the data set of the known classes."""
    dataset = cfg.test_dataloader.dataset
    return dataset.known if _is(dataset, 'OODTestSets') else dataset


def evaluators(cfg: Config, names: list[str]) -> list[dict]:
    """Get settings of metrics from the config, or from ``METRICS``.

    Args:
        cfg (Config): Config of the test.
        names (list[str]): Keys of ``METRICS``.

    Returns:
        list[dict]: Settings of one metric for each name.
    """
    return [_given(cfg, METRICS[name]['type']) or dict(METRICS[name])
            for name in names]


def check_boxes(cfg: Config) -> None:
    """Exit if the data set has no boxes."""
    kind = known_set(cfg).type
    found = DATASETS.get(kind) if isinstance(kind, str) else kind
    if not (_given(cfg, 'Localization') or isinstance(found, type)
            and issubclass(found, (CUBWithBoxes, WSOLMetadata))):
        sys.exit('The metric localization needs true boxes, but the data set '
                 f'{kind} has none. Set test_dataloader.dataset.type of the '
                 'config to CUBWithBoxes or WSOLMetadata.')


def show_where(model: dict) -> None:
    """Make predictions include the activation map of the true class.

    Args:
        model (dict): Settings of the network, changed in place.
    """
    if _is(model, 'ImageClassifier'):
        model['type'] = 'alignmix_mm.CAMClassifier'
    model['cam'] = 'gt'


def ood_sets(cfg: Config, names: list[str] | None) -> dict:
    """Get the settings of the known classes and of unknown images.

    Args:
        cfg (Config): Config of the test.
        names (list[str], optional): Folders, or distributions of noise.
            Defaults to None: the sets of the config, otherwise both kinds of
            noise, as many images as the known set and of the same size.

    Returns:
        dict: Settings of ``OODTestSets``.
    """
    dataset = cfg.test_dataloader.dataset
    if names is None and _is(dataset, 'OODTestSets'):
        return dataset
    unknown = {}
    for name in names or NOISE:
        if name in NOISE:
            unknown[name] = dict(type='NoiseImages', distribution=name)
        elif Path(name).is_dir():
            find_images([Path(name)])  # exits if there are none
            short = Path(name).resolve().name
            unknown[name if short in unknown else short] = dict(
                type='CustomDataset', data_root=name, with_label=False,
                extensions=SUFFIXES, pipeline=file_pipeline(cfg))
        else:
            sys.exit(f'--ood {name}: there is no such folder. For noise, '
                     f'use {" or ".join(NOISE)}.')
    return dict(type='OODTestSets', known=copy.deepcopy(known_set(cfg)),
                unknown=unknown)


def _given(cfg: Config, kind: str) -> dict | None:
    given = cfg.test_evaluator
    given = given if isinstance(given, (list, tuple)) else [given]
    return next((item for item in given if _is(item, kind)), None)


def _is(settings: dict, name: str) -> bool:
    kind = settings.get('type', '')
    return str(getattr(kind, '__name__', kind)).split('.')[-1] == name
