"""The classifier of a config."""
import copy

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS

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
        **changes: Of its model.

    Returns:
        ImageClassifier: In evaluation mode.

    Raises:
        ValueError: If it is no plain ``ImageClassifier``.
    """
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    model = cfg.get('model') or {}
    kind = MODELS.get(model.get('type', ''))
    if not (isinstance(kind, type) and issubclass(kind, ImageClassifier)):
        raise ValueError(
            'Expected the config of a classifier, model.type='
            f"'ImageClassifier', but got {model.get('type')!r}.")
    if issubclass(kind, AlignMixClassifier) and not changes:
        raise ValueError(
            f'Expected a config without AlignMix, but its model is a '
            f'{kind.__name__} already. Set `train_cfg.augments` in it.')
    model = copy.deepcopy(model)
    model.update(changes)
    model['pretrained'] = None
    for part in (model, model.backbone):
        given = part.get('init_cfg')
        if isinstance(given, dict) and given.get('type') == 'Pretrained':
            part['init_cfg'] = None  # weights are not looked at
    model['data_preprocessor'] = copy.deepcopy(
        model.get('data_preprocessor') or cfg.get('data_preprocessor'))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the same config is written twice
        built = MODELS.build(model)
        built.init_weights()
    return built.eval()


def image_size(cfg: Config) -> int:
    """Size of the images that the config trains with.

    Args:
        cfg (Config): The config.

    Returns:
        int: Rows and columns, by its crops, else by its backbone, else 224.
    """
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    while 'dataset' in dataset:  # RepeatDataset and its like
        dataset = dataset['dataset']
    for transform in reversed(dataset.get('pipeline') or []):
        size = transform.get('crop_size') or (
            transform.get('scale') if 'Crop' in str(transform.type) else None)
        if size:
            return size if isinstance(size, int) else max(size)
    size = cfg.model.backbone.get('img_size') or 224
    return size if isinstance(size, int) else max(size)
