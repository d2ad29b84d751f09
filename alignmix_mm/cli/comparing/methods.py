"""What a method changes in the config that all runs share."""
import copy
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..finetune.methods import Method, find_method
from .base import Base, pipelines

_AE_MODES = ('clean', 'input', 'embed', 'feat', 'feat_swap')


class Entry(NamedTuple):
    """A method of the comparison.

    Attributes:
        name (str): As it was typed.
        method (Method): What the model needs for it.
        transform (dict, optional): What comes last in the augmentation of an
            image.
    """

    name: str
    method: Method
    transform: dict | None = None

    def model(self, base: Base) -> dict:
        """The network with this method.

        Args:
            base (Base): What all runs share.

        Returns:
            dict: Config of the classifier.
        """
        model = copy.deepcopy({**base.cfg.model.to_dict(),
                               **self.method.model})
        if self.method.train_cfg is not None:
            model['train_cfg'] = self.method.train_cfg
            loss = model['head'].setdefault(
                'loss', dict(type='CrossEntropyLoss'))
            if loss['type'] == 'CrossEntropyLoss' and not loss.get(
                    'use_sigmoid'):
                loss['use_soft'] = True  # of mixed labels
        return model

    def loader(self, base: Base) -> dict:
        """The training data with this method.

        Args:
            base (Base): What all runs share.

        Returns:
            dict: Config of the data loader.
        """
        loader = copy.deepcopy(base.cfg.train_dataloader.to_dict())
        if self.transform is not None:
            for pipeline in pipelines(loader['dataset']):
                pipeline.insert(len(pipeline) - 1, self.transform)
        return loader


def find_entries(names: Sequence[str], options: dict[str, Any] | None,
                 base: Base) -> list[Entry]:
    """Find the methods of a comparison.

    Args:
        names (Sequence[str]): What was typed.
        options (dict, optional): Arguments of their classes, with
            ``METHOD.NAME`` as keys.
        base (Base): What all runs share.

    Returns:
        list[Entry]: In this order. Mistakes end the process with a sentence.
    """
    given: dict[str, dict] = {name: {} for name in names}
    for key, value in (options or {}).items():
        name, _, option = key.partition('.')
        if name not in given or not option:
            sys.exit(f'--method-options {key} belongs to no method: expected '
                     f'METHOD.NAME=VALUE, of {", ".join(names)}.')
        given[name][option] = value
    entries: list[Entry] = []
    for name in names:
        find = _SPECIAL.get(name.lower(), _mixing)
        entry = find(name, given[name], base)
        same = next((other.name for other in entries
                     if other[1:] == entry[1:]), None)
        if same is not None:
            sys.exit(f'--methods {same} and {name} are the same. Leave one '
                     'of them out.')
        entries.append(entry)
    return entries


def _mixing(name: str, options: dict, base: Base) -> Entry:
    return Entry(name, find_method(name, options or None, base.scale))


def _cutout(name: str, options: dict, base: Base) -> Entry:
    """A square of half the side, of the mean colour (Yun et al., 2019)."""
    mean = [round(value) for value in base.scale['mean'] or [128] * 3]
    if base.cfg.data_preprocessor.get('to_rgb'):
        mean.reverse()  # images are loaded as BGR
    return Entry(name, find_method('none'), dict(
        type='Cutout', shape=base.size // 2, pad_val=tuple(mean), prob=1.,
        ) | options)


def _alignmix_ae(name: str, options: dict, base: Base) -> Entry:
    """AlignMix with a decoder whose widths follow the embedding's."""
    method = find_method('alignmix', dict(modes=_AE_MODES) | options)
    width = (base.cfg.model.get('head') or {}).get('in_channels')
    if not isinstance(width, int):
        sys.exit(f'--methods {name} needs a head with in_channels, the '
                 'dimensions of the embedding, for its decoder.')
    side, blocks = base.size, 0
    while side % 2 == 0 and side >= 8:
        side, blocks = side // 2, blocks + 1
    widths = [max(16, min(512, width) >> n) for n in range(blocks + 1)]
    return Entry(name, Method(method.train_cfg, dict(
        type='AlignMixAEClassifier', decoder=dict(
            type='ResidualDecoder', in_channels=width, widths=widths,
            start_size=side))))


#: Methods that are no batch augmentation with a place in the network alone.
_SPECIAL: dict[str, Callable[[str, dict, Base], Entry]] = dict(
    cutout=_cutout, alignmix_ae=_alignmix_ae)
