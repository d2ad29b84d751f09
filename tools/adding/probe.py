"""What a forward pass tells about a classifier."""
import copy
import re
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from alignmix_mm import AlignMixClassifier, MixBatch, MixPlan

# Blocks of a backbone: `layer4.1`, `layers.10`, `stages.3.1`, `features.15`,
# `stages.3.blocks.0`. What lies within one is no place to mix.
_BLOCK = re.compile(r'[a-zA-Z_]+\d*(\.\d+){1,2}|\w+\.\d+\.blocks\.\d+')
_LAST = 6  # blocks that are tried
EFFECT = 1e-4  # of the embedding, at random weights; rounding gives 1e-6
_ROUNDING = 1e-3
_SHARE = .22  # of the largest; in front of a ResNet's last block it is .25


class Place(NamedTuple):
    """A module of the backbone whose output can be mixed.

    Attributes:
        name (str): Its dotted path.
        shape (tuple[int, ...]): Of its output, for one image.
        effect (float): Relative change of the embedding by alignment.
    """

    name: str
    shape: tuple[int, ...]
    effect: float


class Probe(NamedTuple):
    """What is known of a classifier.

    Attributes:
        size (int): Rows and columns of its images.
        output (tuple[int, ...]): Shape of what the backbone returns for one
            image.
        neck (str, optional): Class of the neck.
        num_classes (int): Number of logits.
        loss (str, optional): Class of the head's loss.
        places (list[Place]): The last blocks, in the order of the pass.
    """

    size: int
    output: tuple[int, ...]
    neck: str | None
    num_classes: int
    loss: str | None
    places: list[Place]

    @property
    def best(self) -> Place | None:
        """The last place behind which positions matter."""
        largest = max((place.effect for place in self.places), default=0.)
        return next((place for place in reversed(self.places) if place.effect
                     >= max(EFFECT, _SHARE * largest)), None)


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


def probe(cfg: Config) -> Probe:
    """Build a classifier and look at it.

    Args:
        cfg (Config): Of a classifier.

    Returns:
        Probe: What is known of it.

    Raises:
        ValueError: If it is no plain ``ImageClassifier``.
    """
    model = build(cfg)
    size = image_size(cfg)
    shapes: dict[str, tuple[int, ...]] = {}
    for name, module in model.backbone.named_modules():
        if _BLOCK.fullmatch(name):
            module.register_forward_hook(_recorder(shapes, name))
    with torch.no_grad():
        images = _images(2, size)
        output = _last(model.backbone(images))
        logits = model(images, mode='tensor')
    names = [name for name, shape in shapes.items() if _has_positions(shape)]
    loss = getattr(model.head, 'loss_module', None)
    return Probe(
        size, tuple(output.shape[1:]),
        type(model.neck).__name__ if model.with_neck else None,
        _last(logits).shape[1], loss and type(loss).__name__,
        _measure(cfg, names[-_LAST:], shapes, size))


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


def _measure(cfg: Config, names: list[str], shapes: dict, size: int) -> list:
    if not names:
        return []
    model = build(cfg, type='AlignMixClassifier', mix_at=list(names),
                  train_cfg=None)
    _wake(model)
    model.train()  # normalised by the statistics of the batch
    images, places = _images(4, size), []
    for index, name in enumerate(names):
        plan = MixPlan('feat', torch.full((4, ), .5),
                       torch.tensor([1, 2, 3, 0]), (index + .5) / len(names))
        batch = MixBatch(images, plan)
        try:
            effect = float(model.measure_effect(batch))
        except (ValueError, RuntimeError):  # no map, or runs several times
            continue
        if model.measure_bypass(batch) > _ROUNDING:  # one of several branches
            continue
        places.append(Place(name, shapes[name], effect))
    return places


def _wake(model: nn.Module) -> None:
    """Let blocks that start as the identity do something."""
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            if parameter.numel() > 1 and parameter.abs().max() < 1e-3 and (
                    parameter.std() == 0):
                parameter.fill_(1.)


def _images(count: int, size: int) -> Tensor:
    numbers = torch.Generator().manual_seed(0)
    coarse = torch.randn(count, 3, 8, 8, generator=numbers)
    return F.interpolate(coarse, (size, size), mode='bilinear')


def _recorder(shapes: dict, name: str):
    def record(module: nn.Module, args: tuple, output: object) -> None:
        shapes.pop(name, None)
        part = output[0] if isinstance(output, (tuple, list)) else output
        if isinstance(part, Tensor):
            shapes[name] = tuple(part.shape[1:])
    return record


def _has_positions(shape: tuple[int, ...]) -> bool:
    return (len(shape) == 3 and shape[1] * shape[2] > 1) or (
        len(shape) == 2 and shape[0] > 1)


def _last(output: object) -> Tensor:
    return output if isinstance(output, Tensor) else _last(output[-1])
