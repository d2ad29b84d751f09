"""Find the network that `--model` names."""
import copy
import difflib
import importlib.util
import inspect
import sys
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config
from mmpretrain.apis import list_models
from mmpretrain.apis.model import ModelHub
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS

from ..errors import describe

TIMM = 'timm/'


@dataclass(frozen=True)
class Network:
    """What a config needs for a network.

    Attributes:
        name (str): Its full name.
        model (dict): Config of the classifier, for the classes of the photos.
        preprocessor (dict): Config of its data preprocessor.
        weights (str, optional): Source of its published weights, a URL or
            ``timm/NAME``.
    """

    name: str
    model: dict
    preprocessor: dict
    weights: str | None


def find_network(typed: str, num_classes: int, size: int) -> Network:
    """Find a network.

    Args:
        typed (str): A name from ``mmpretrain.list_models()``, its part before
            the first underscore (``resnet18``), or a name from timm, with or
            without ``timm/`` before it.
        num_classes (int): Number of classes of the photos.
        size (int): Height and width of the images.

    Returns:
        Network: What a config needs for it. A mistake ends the process with
        one sentence.
    """
    known = list_models()
    name = typed if typed in known else _full_name(typed, known)
    if name is not None:
        return _of_mmpretrain(name, num_classes, size)
    of_timm = _timm_models()
    name = typed.removeprefix(TIMM)
    if name.split('.')[0] in of_timm:
        return _of_timm(name, num_classes, size)
    hint = '' if of_timm else ' For names from timm: pip install timm.'
    short = {full.split('_')[0] for full in known}
    close = difflib.get_close_matches(name, {*known, *short, *of_timm}, 3, .6)
    sys.exit(f'--model {typed} is not known.'
             + (f' Did you mean {", ".join(close)}?' if close else
                ' mmpretrain.list_models() lists the names.') + hint)


def _full_name(typed: str, known: list[str]) -> str | None:
    """The shortest of the names, preferably trained on ImageNet-1k."""
    names = [name for name in known if name.split('_')[0] == typed]
    names.sort(key=lambda name: ('in1k' not in name.split('_')[-1],
                                 len(name), name))
    return next(iter(names), None)


def _timm_models() -> list[str]:
    if importlib.util.find_spec('timm') is None:
        return []
    import timm
    return timm.list_models()


def _of_mmpretrain(name: str, num_classes: int, size: int) -> Network:
    info = ModelHub.get(name)
    cfg: Config = info.config
    model = cfg.model.to_dict()
    kind = MODELS.get(model['type'])
    if not (isinstance(kind, type) and issubclass(kind, ImageClassifier)):
        sys.exit(f'Expected a classifier, but --model {name} is a '
                 f'{model["type"]}. mmpretrain.list_models(task="Image '
                 'Classification") lists the classifiers.')
    given = model.pop('data_preprocessor', None) or cfg.get(
        'data_preprocessor') or {}
    preprocessor = {key: value for key, value in dict(given).items()
                    if key not in ('batch_augments', '_scope_')}
    for part in (model, model['backbone']):
        part.pop('pretrained', None)
        if _is_pretrained(part.get('init_cfg')):
            part.pop('init_cfg')
    model.pop('train_cfg', None)
    model['backbone'] = _sized(model['backbone'], size)
    return Network(name, _without(_for_classes(model, num_classes), '_scope_'),
                   dict(preprocessor, num_classes=num_classes), info.weights)


def _is_pretrained(init_cfg: Any) -> bool:
    return isinstance(init_cfg, dict) and init_cfg.get('type') == 'Pretrained'


def _for_classes(value: Any, num_classes: int) -> Any:
    """Set every ``num_classes``: of heads, losses and some backbones."""
    if isinstance(value, dict):
        return {key: num_classes if key == 'num_classes' else _for_classes(
            inner, num_classes) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_for_classes(v, num_classes) for v in value)
    return value


def _without(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _without(inner, key) for name, inner in value.items()
                if name != key}
    if isinstance(value, (list, tuple)):
        return type(value)(_without(inner, key) for inner in value)
    return value


def _sized(backbone: dict, size: int) -> dict:
    """Set the image size of backbones that have an option for it."""
    kinds = inspect.getmro(MODELS.get(backbone['type']))
    knows = any('img_size' in inspect.signature(kind.__init__).parameters
                for kind in kinds)
    return dict(backbone, img_size=size) if knows else dict(backbone)


def _of_timm(name: str, num_classes: int, size: int) -> Network:
    import timm
    source = timm.models.get_pretrained_cfg(name)
    backbone: dict = dict(type='TIMMBackbone', model_name=name)
    if source.fixed_input_size and source.input_size[-1] != size:
        backbone['img_size'] = size
    shape = _output_shape(backbone, size)
    if len(shape) not in (2, 3, 4):
        sys.exit(f'Expected a vector, tokens or a map for an image, but '
                 f'--model {TIMM}{name} returns the shape {tuple(shape)}.')
    with torch.random.fork_rng(devices=[]):
        channels = timm.create_model(name, num_classes=0).num_features
    if len(shape) == 4 and shape[1] == channels:
        neck: dict | None = dict(type='GlobalAveragePooling')
    elif len(shape) > 2:
        neck = dict(type='alignmix_mm.MeanOfPositions')
    else:
        neck = None
    mean, std = ([round(255 * value, 3) for value in values]
                 for values in (source.mean, source.std))
    model = dict(
        type='ImageClassifier', backbone=backbone, neck=neck, head=dict(
            type='LinearClsHead', num_classes=num_classes,
            in_channels=channels))
    return Network(f'{TIMM}{name}', model, dict(
        mean=mean, std=std, to_rgb=True, num_classes=num_classes),
        TIMM + name)


@torch.no_grad()
def _output_shape(backbone: dict, size: int) -> torch.Size:
    with torch.random.fork_rng(devices=[]):
        network = MODELS.build(copy.deepcopy(backbone))
    network.eval()  # backbones of MMPretrain return None
    return network(torch.zeros(1, 3, size, size))[-1].shape


@torch.no_grad()
def try_network(model: dict, preprocessor: dict, size: int,
                plain: dict | None = None) -> str | None:
    """Check that a classifier can be built and takes images of a size.

    Args:
        model (dict): Config of the classifier, without weights.
        preprocessor (dict): Config of its data preprocessor.
        size (int): Height and width of the images.
        plain (dict, optional): The classifier without a method. An error of
            it explains more than what the method says about it.

    Returns:
        str, optional: The error, in words; None if it works.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            built = MODELS.build(copy.deepcopy(
                dict(model, data_preprocessor=preprocessor))).eval()
        built(torch.zeros(1, 3, size, size), mode='tensor')
    except Exception as error:  # any network may raise anything
        return plain and try_network(plain, preprocessor, size) or describe(
            error)
    return None
