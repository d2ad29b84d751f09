"""Where methods mix that name modules of ResNets, in other networks."""
import copy
import inspect
import math
from collections.abc import Sequence

import torch
from mmpretrain.registry import BATCH_AUGMENTS, MODELS

from ...models.auto import Candidate, find_places
from .methods import Method

#: Strides of a ResNet's layer1 and layer2, and the share of the operations
#: that follow, for networks without such maps.
_EARLY = ((4, .75), (8, .5))


def fit_places(method: Method, model: dict, preprocessor: dict,
               size: int) -> Method:
    """Let a method mix early in a network whose modules have other names.

    Manifold mixup names ``layer1`` and ``layer2`` by default. A network
    without them is mixed at its last places of the same strides, 4 and 8, or
    else after a quarter and half of its operations.

    Args:
        method (Method): The method.
        model (dict): Config of the classifier without it, without weights.
        preprocessor (dict): Config of its data preprocessor.
        size (int): Rows and columns of the images.

    Returns:
        Method: The same, or one with the names of the network. A network
        that cannot be built is left to who builds it for training.
    """
    augment = (method.train_cfg or dict(augments=[{}]))['augments'][0]
    default = _default_of(augment.get('type'))
    if 'at' in augment or not default:
        return method
    try:
        with torch.random.fork_rng(devices=[]):
            built = MODELS.build(copy.deepcopy(dict(
                model, type='AlignMixClassifier',
                data_preprocessor=preprocessor))).eval()
        modules = {name for name, _ in built.backbone.named_modules()}
        named = BATCH_AUGMENTS.build(augment).at
        if modules.issuperset(filter(None, named)):
            return method
        found = _early(find_places(built, (3, size, size)).candidates, size)
    except Exception:  # of any network, in any way
        return method
    places = [*(name for name in default if name not in named), *found]
    return method._replace(train_cfg=dict(
        method.train_cfg, augments=[dict(augment, at=places)]))


def _default_of(kind: str | None) -> tuple:
    """Places that a class names if nobody else does."""
    if kind is None:
        return ()
    parameters = inspect.signature(BATCH_AUGMENTS.get(kind)).parameters
    default = parameters['at'].default if 'at' in parameters else None
    return default if isinstance(default, tuple) else ()


def _early(candidates: Sequence[Candidate], size: int) -> list[str]:
    """Places in a network where a ResNet has layer1 and layer2."""
    inside = [each for each in candidates if each.name is not None]
    found = []
    for stride, share in _EARLY:
        alike = [each for each in inside if _side(each) == -(-size // stride)]
        # whole blocks rather than layers in them
        last = [each for each in alike
                if each.combining == alike[-1].combining]
        found.append(min(reversed(last), key=_depth) if alike else min(
            inside, key=lambda each, share=share: (
                round(abs(each.share - share), 2), _depth(each))))
    return list(dict.fromkeys(each.name for each in found))


def _depth(place: Candidate) -> int:
    return place.name.count('.')


def _side(place: Candidate) -> int | None:
    """Rows of a map, or of a square of tokens; None for others."""
    if len(place.shape) == 3:
        return place.shape[0 if place.channels_last else 1]
    side = math.isqrt(place.shape[0])
    return side if side**2 == place.shape[0] else None
