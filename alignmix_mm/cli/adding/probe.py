"""What a forward pass tells about a classifier."""
import itertools
import math
import re
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor, nn

from ...mixing import MixBatch, alignmix_plan
from .classifier import build, image_size

# Blocks of a backbone: `layer4.1`, `layers.10`, `stages.3.1`, `features.15`,
# `stages.3.blocks.0`, `Mixed_7c`. What lies within one is no place to mix.
_BLOCK = re.compile(r'\w+(\.\d+){0,2}|\w+\.\d+\.blocks\.\d+')
_LAST = 6  # blocks that are tried
EFFECT = 2e-6  # of the embedding, at random weights; rounding is below 1e-6
_ROUNDING = 1e-3
_SHARE = .22  # of the largest; in front of a ResNet's last block it is .25


class Place(NamedTuple):
    """A module of the backbone whose output can be mixed.

    Attributes:
        name (str): Its dotted path.
        shape (tuple[int, ...]): Of its output, for one image.
        effect (float): Relative change of the embedding by alignment.
        extra_tokens (int, optional): Number of class tokens among its tokens
            if the backbone does not say so itself.
    """

    name: str
    shape: tuple[int, ...]
    effect: float
    extra_tokens: int | None


class Probe(NamedTuple):
    """What is known of a classifier.

    Attributes:
        size (int): Rows and columns of its images.
        output (tuple[int, ...]): Shape of what the backbone returns for one
            image.
        neck (str, optional): Class of the neck.
        num_classes (int): Number of logits.
        places (list[Place]): The last blocks, in the order of the pass.
        skipped (dict[str, str]): Blocks that are no place, and why not.
    """

    size: int
    output: tuple[int, ...]
    neck: str | None
    num_classes: int
    places: list[Place]
    skipped: dict[str, str]

    @property
    def best(self) -> Place | None:
        """The last place behind which positions matter."""
        largest = max((place.effect for place in self.places), default=0.)
        return next((place for place in reversed(self.places) if place.effect
                     >= max(EFFECT, _SHARE * largest)), None)


def probe(cfg: Config, mix_at: str | None = None) -> Probe:
    """Build a classifier and look at it.

    Args:
        cfg (Config): Of a classifier.
        mix_at (str, optional): A module to look at beside the last blocks.
            Defaults to None.

    Returns:
        Probe: What is known of it.

    Raises:
        ValueError: If it is no plain ``ImageClassifier``, or has no module
            ``mix_at``.
    """
    model = build(cfg)
    size = image_size(cfg)
    outputs: dict[str, Tensor] = {}
    for name, module in model.backbone.named_modules():
        if name == mix_at or _is_block(name, module):
            module.register_forward_hook(_recorder(outputs, name))
    with torch.no_grad():
        images = _images(2, size)
        output = _last(model.backbone(images))
        logits = model(images, mode='tensor')
    shapes = {name: tuple(tensor.shape[1:])
              for name, tensor in outputs.items()}
    names = _blocks(outputs)[-_LAST:]
    if mix_at is not None and mix_at not in names:
        names.insert(0, mix_at)
    says = hasattr(model.backbone, 'num_extra_tokens')
    extra = {name: None if says else _extra_tokens(shapes.get(name, ()))
             for name in names}
    places, skipped = _measure(cfg, extra, shapes, size)
    return Probe(
        size, tuple(output.shape[1:]),
        type(model.neck).__name__ if model.with_neck else None,
        _last(logits).shape[1], places, skipped)


def _measure(
        cfg: Config, extra: dict[str, int | None], shapes: dict,
        size: int) -> tuple[list[Place], dict[str, str]]:
    places, skipped = {}, {}
    images = _images(4, size)
    for tokens in set(extra.values()):
        names = [name for name in extra if extra[name] == tokens]
        model = build(cfg, type='AlignMixClassifier', mix_at=names,
                      num_extra_tokens=tokens, train_cfg=None)
        _wake(model)
        model.train()  # normalised by the statistics of the batch
        for name in names:
            plan = alignmix_plan('feat', torch.full((4, ), .5),
                                 torch.tensor([1, 2, 3, 0]), at=(name, ))
            batch = MixBatch(images, plan)
            try:
                effect = float(model.measure_effect(batch))
                past = float(model.measure_bypass(batch))
            except (ValueError, RuntimeError) as error:
                skipped[name] = str(error)
                continue
            if past > _ROUNDING:
                skipped[name] = (f'{100 * past:.0f} % of the embedding goes '
                                 'past it')
            else:
                places[name] = Place(name, shapes[name], effect, tokens)
    return [places[name] for name in extra if name in places], skipped


def _extra_tokens(shape: tuple[int, ...]) -> int | None:
    """Class tokens beside those of a square map, None for a map."""
    return next((count for count in range(3) if len(shape) == 2 and
                 math.isqrt(shape[0] - count) ** 2 == shape[0] - count), None)


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


def _is_block(name: str, module: nn.Module) -> bool:
    # at the top there are single layers, too: `conv1`, `bn1`, `relu`
    return bool(_BLOCK.fullmatch(name)) and (
        '.' in name or any(True for _ in module.children()))


def _recorder(outputs: dict, name: str):
    def record(module: nn.Module, args: tuple, output: object) -> None:
        outputs.pop(name, None)
        part = output[0] if isinstance(output, (tuple, list)) else output
        if isinstance(part, Tensor):
            outputs[name] = part
    return record


def _blocks(outputs: dict[str, Tensor]) -> list[str]:
    # the last block of a stage and the stage are one place
    inner = {name for name, after in itertools.pairwise(outputs)
             if name.startswith(f'{after}.')
             and outputs[name] is outputs[after]}
    return [name for name, output in outputs.items()
            if name not in inner and _has_positions(output.shape[1:])]


def _has_positions(shape: torch.Size) -> bool:
    return (len(shape) == 3 and shape[1] * shape[2] > 1) or (
        len(shape) == 2 and shape[0] > 1)


def _last(output: object) -> Tensor:
    return output if isinstance(output, Tensor) else _last(output[-1])
