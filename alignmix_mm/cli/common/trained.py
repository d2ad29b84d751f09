"""Rebuild a trained network from its checkpoint."""
import argparse
import copy
import sys
from collections import OrderedDict
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader
from mmpretrain.registry import DATASETS, MODELS
from torch import Tensor, nn

from ...engine.compat import trust_checkpoints
from ...engine.stored_config import check_stored, parse_config
from ...engine.weights import load_weights, state_dict_of
from ..options import require_checkpoint
from .config import read_config
from .scores import require_classifier

_PARTS = ('backbone', 'neck', 'head')


class Stored(NamedTuple):
    """The parts of a checkpoint that are needed after training.

    Attributes:
        source (str): Path or URL of the file.
        weights (OrderedDict[str, Tensor]): The weights that a test uses.
        meta (dict): Its ``meta``; empty without one.
    """

    source: str
    weights: OrderedDict[str, Tensor]
    meta: dict[str, Any]


class Trained(NamedTuple):
    """A trained network.

    Attributes:
        model (nn.Module): In evaluation mode.
        config (Config): The config it was trained with.
        classes (list[str]): Class names; empty if unknown.
    """

    model: nn.Module
    config: Config
    classes: list[str]


def read_checkpoint(source: str, trust: bool = False) -> Stored:
    """Read a checkpoint without executing anything from it.

    Args:
        source (str): A path or URL.
        trust (bool): Whether to load any object, which can execute code.
            Defaults to False.

    Returns:
        Stored: Its weights and ``meta``.

    Raises:
        WeightsError: If it has no weights.
        RuntimeError: If it cannot be read.
    """
    require_checkpoint(source)
    if trust:
        trust_checkpoints()
    checkpoint = CheckpointLoader.load_checkpoint(
        source, 'cpu', logger='silent')
    weights = state_dict_of(checkpoint, source)
    meta = checkpoint.get('meta')
    return Stored(source, weights, meta if isinstance(meta, dict) else {})


def config_of(stored: Stored) -> Config:
    """Read the config of a checkpoint, without executing it.

    Args:
        stored (Stored): The checkpoint.

    Returns:
        Config: The config. Pass each part to :func:`check_part` before
        building it.
    """
    text = stored.meta.get('cfg')
    if not isinstance(text, str):
        sys.exit(f'{stored.source} holds no config. Give the one it was '
                 'trained with: --config FILE.')
    try:
        return parse_config(text)
    except ValueError as error:
        sys.exit(_refusal(stored, error))


def check_part(part: dict | list, stored: Stored) -> None:
    """Exit if building a part of a stored config could execute code.

    Args:
        part (dict | list): The part to build.
        stored (Stored): The checkpoint that it comes from.
    """
    try:
        check_stored(part)
    except ValueError as error:
        sys.exit(_refusal(stored, error))


def load_trained(args: argparse.Namespace) -> Trained:
    """Build the classifier of a checkpoint and load its weights.

    Args:
        args (Namespace): ``checkpoint``; ``config``, a name, or None for the
            config in the checkpoint; ``allow_partial``;
            ``trust_checkpoint``.

    Returns:
        Trained: The network, on the GPU if there is one.

    Raises:
        WeightsError: If the weights do not fit.
        ValueError: If the network does not predict classes.
    """
    MMLogger.get_current_instance().setLevel('ERROR')  # hides notes on timm
    stored = read_checkpoint(args.checkpoint, args.trust_checkpoint)
    config = read_config(args.config) if args.config else config_of(stored)
    if not config.get('model'):
        sys.exit(f'The config of {stored.source} has no `model`. Give the one '
                 'it was trained with: --config FILE.')
    settings = for_inference(config)
    if not args.config:
        check_part(settings, stored)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(settings)
    require_classifier(model)
    misfits = load_weights(model, stored.weights, stored.source,
                           args.allow_partial)
    if misfits:
        print(f'Left at random values: {misfits}.', file=sys.stderr)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    return Trained(model.to(device).eval(), config,
                   class_names(stored.meta, config))


def for_inference(config: Config) -> dict:
    """Get the settings of a network for prediction only.

    Args:
        config (Config): Config with a ``model``.

    Returns:
        dict: Without pretrained weights, mixing methods and activation maps.
    """
    model = copy.deepcopy(config.model.to_dict())
    model['data_preprocessor'] = (
        model.get('data_preprocessor')
        or copy.deepcopy(config.to_dict().get('data_preprocessor')))
    for name in ('train_cfg', 'cam'):
        if model.get(name) is not None:
            model[name] = None
    without_downloads(model)
    return model


def without_downloads(model: dict) -> None:
    """Remove pretrained weights that the checkpoint will replace.

    Args:
        model (dict): Settings of a network, changed in place.
    """
    for part in (model, *(model.get(name) for name in _PARTS)):
        if not isinstance(part, dict):
            continue
        if part.get('init_cfg') is not None:
            part['init_cfg'] = None
        if part.get('pretrained'):  # timm's is True, MMPretrain's a path
            part['pretrained'] = False if part['pretrained'] is True else None
        if part.get('checkpoint_path'):
            part['checkpoint_path'] = ''


def class_names(meta: dict, config: Config) -> list[str]:
    """Find the class names, in the order of the outputs.

    Args:
        meta (dict): The ``meta`` of a checkpoint.
        config (Config): Its config.

    Returns:
        list[str]: From the checkpoint, otherwise from the test data set of
        the config; empty if neither has them.
    """
    names = (meta.get('dataset_meta') or {}).get('classes')
    names = names or meta.get('CLASSES')  # MMClassification 0.x
    if not names:
        dataset = (config.get('test_dataloader') or {}).get('dataset') or {}
        kind = DATASETS.get(dataset.get('type', '')) if isinstance(
            dataset.get('type', ''), str) else dataset.get('type')
        names = (dataset.get('metainfo') or {}).get('classes') or getattr(
            kind, 'METAINFO', {}).get('classes')
    return [str(name) for name in names or ()]


def _refusal(stored: Stored, error: ValueError) -> str:
    return (f'The config in {stored.source} cannot be used, because nothing '
            f'in a checkpoint is executed: {error}\nGive the config '
            'yourself: --config FILE.')
