"""Build the classifier of a config."""
import copy

import torch
from mmengine.config import Config
from mmengine.model import PretrainedInit
from mmengine.registry import WEIGHT_INITIALIZERS, init_default_scope
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS, TRANSFORMS
from torch import nn

from ...engine.kinds import class_of, name_of
from ...models import AlignMixClassifier


def load(base: str) -> Config:
    """Load a config.

    Args:
        base (str): A path, or ``mmpretrain::...``.

    Returns:
        Config: The config.
    """
    if '::' in base:
        return Config.fromstring(f'_base_ = [{base!r}]', '.py')
    return Config.fromfile(base)


def build(cfg: Config, **changes: object) -> ImageClassifier:
    """Build the classifier of a config, without pretrained weights.

    Args:
        cfg (Config): The config.
        **changes: Settings of its model to replace.

    Returns:
        ImageClassifier: In evaluation mode.

    Raises:
        ValueError: If it is not an ``ImageClassifier``, or is an
            ``AlignMixClassifier`` and there are no changes.
    """
    init_default_scope(cfg.get('default_scope') or 'mmpretrain')
    model = cfg.get('model') or {}
    kind = class_of(model, MODELS)
    if not (isinstance(kind, type) and issubclass(kind, ImageClassifier)):
        raise ValueError(
            'Expected the config of a classifier, model.type='
            f"'ImageClassifier', but got {name_of(model, MODELS)!r}.")
    if issubclass(kind, AlignMixClassifier) and not changes:
        raise ValueError(
            f'Expected a config without AlignMix, but its model is already of '
            f'type {kind.__name__}. Set `model.train_cfg.augments` in it.')
    model = copy.deepcopy(model)
    model.update(changes)
    model['pretrained'] = None
    _forget_weights(model)
    model['data_preprocessor'] = copy.deepcopy(
        model.get('data_preprocessor') or cfg.get('data_preprocessor'))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # so that a second call writes the same
        built = MODELS.build(model)
        built.init_weights()
    return built.eval()


def _forget_weights(model: dict) -> None:
    """Remove pretrained weights, so that nothing is downloaded."""
    backbone = model['backbone']
    for part in (model, backbone):
        given = part.get('init_cfg') or []
        listed = given if isinstance(given, list) else [given]
        if any(_is_file(each) for each in listed):
            part['init_cfg'] = [each for each in listed if not _is_file(each)]
    # TIMMBackbone
    for key, empty in dict(pretrained=False, checkpoint_path='').items():
        if backbone.get(key):
            backbone[key] = empty


def _is_file(init_cfg: dict) -> bool:
    return class_of(init_cfg, WEIGHT_INITIALIZERS) is PretrainedInit


def num_channels(backbone: nn.Module) -> int:
    """Find the number of image channels that a backbone takes.

    Args:
        backbone (nn.Module): The backbone.

    Returns:
        int: Input channels of its first convolution; 3 if it has none.
    """
    return next((module.in_channels for module in backbone.modules()
                 if isinstance(module, nn.Conv2d)), 3)


def image_size(cfg: Config) -> int:
    """Find the size of the training images.

    Args:
        cfg (Config): The config.

    Returns:
        int: The larger of height and width, from the last crop or resize,
        otherwise from the backbone, otherwise 224.
    """
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    while 'dataset' in dataset:  # RepeatDataset and its like
        dataset = dataset['dataset']
    for transform in reversed(dataset.get('pipeline') or []):
        name = name_of(transform, TRANSFORMS)
        size = transform.get('crop_size') or (
            transform.get('scale') if 'Crop' in name or 'Resize' in name
            else None)
        if size:
            return size if isinstance(size, int) else max(size)
    size = cfg.model.backbone.get('img_size') or 224
    return size if isinstance(size, int) else max(size)
