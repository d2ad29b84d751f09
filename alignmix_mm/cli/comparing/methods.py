"""What a method changes in the config that all runs share."""
import copy
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mmengine.config import Config

from ..finetune.early import fit_places
from ..finetune.methods import Method, Words, find_method
from .base import Base, pipelines, without_weights

MODEL = 'model.'  # options that begin with it are of the network
_Parts = tuple[Method, dict | None]  # and a transform
_AE_MODES = ('clean', 'input', 'embed', 'feat', 'feat_swap')


class Entry(NamedTuple):
    """A method of the comparison.

    Attributes:
        name (str): Its row in the table.
        method (Method): What the model needs for it.
        transform (dict, optional): What comes last in the augmentation of an
            image.
        changes (dict): Settings of the network, by their dotted names.
    """

    name: str
    method: Method
    transform: dict | None = None
    changes: dict[str, Any] = {}

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
        changed = Config(model)
        changed.merge_from_dict(self.changes)
        return changed.to_dict()

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
        names (Sequence[str]): What was typed, ``METHOD`` or
            ``NAME=METHOD``.
        options (dict, optional): Arguments of their classes, with
            ``NAME.KEY`` as keys, and of the network, ``NAME.model.KEY``.
        base (Base): What all runs share.

    Returns:
        list[Entry]: In this order. Mistakes end the process with a sentence.
    """
    kinds = _kinds_by_name(names)
    given: dict[str, dict] = {name: {} for name in kinds}
    for key, value in (options or {}).items():
        name, _, option = key.partition('.')
        name = name.lower()  # as --methods
        if name not in given or not option:
            sys.exit(f'--method-options {key} belongs to no method: expected '
                     f'METHOD.NAME=VALUE, of {", ".join(kinds)}.')
        given[name][option] = value
    entries: list[Entry] = []
    for name, kind in kinds.items():
        entry = _find_entry(name, kind, given[name], base)
        same = next((other.name for other in entries
                     if other[1:] == entry[1:]), None)
        if same is not None:
            sys.exit(f'--methods {same} and {name} are the same. Leave one '
                     'of them out.')
        entries.append(entry)
    return entries


def _kinds_by_name(typed: Sequence[str]) -> dict[str, str]:
    """Methods of METHOD or NAME=METHOD, by the name of their row."""
    kinds: dict[str, str] = {}
    for word in typed:
        name, _, kind = word.partition('=')
        if not name.replace('-', '_').isidentifier():
            sys.exit(f'--methods {word}: expected a name of letters, digits, '
                     f'- and _ before "=", but got {name!r}.')
        if name in kinds:
            sys.exit(f'--methods has {name} twice. Give one of them another '
                     f'name: NAME={kind or name}')
        kinds[name] = kind or name
    return kinds


def _find_entry(name: str, kind: str, options: dict, base: Base) -> Entry:
    changes = {key.removeprefix(MODEL): value
               for key, value in options.items() if key.startswith(MODEL)}
    arguments = {key: value for key, value in options.items()
                 if not key.startswith(MODEL)}
    words = Words('--methods', f'{name}.', (*_SPECIAL, ))
    method, transform = _SPECIAL.get(kind.lower(), _mixing)(
        kind, arguments, base, words)
    return Entry(name, method, transform, changes)


def _mixing(kind: str, options: dict, base: Base, words: Words) -> _Parts:
    method = find_method(kind, options or None, base.scale, words)
    return fit_places(
        method, without_weights(base.cfg.model.to_dict()),
        base.cfg.data_preprocessor.to_dict(), base.size), None


def _cutout(kind: str, options: dict, base: Base, words: Words) -> _Parts:
    """A square of half the side, of the mean colour (Yun et al., 2019)."""
    mean = [round(value) for value in base.scale['mean'] or [128] * 3]
    if base.cfg.data_preprocessor.get('to_rgb'):
        mean.reverse()  # images are loaded as BGR
    return find_method('none'), dict(
        type='Cutout', shape=base.size // 2, pad_val=tuple(mean), prob=1.,
        ) | options


def _alignmix_ae(kind: str, options: dict, base: Base,
                 words: Words) -> _Parts:
    """AlignMix with a decoder whose widths follow the embedding's."""
    method = find_method('alignmix', dict(modes=_AE_MODES) | options,
                         words=words)
    width = (base.cfg.model.get('head') or {}).get('in_channels')
    if not isinstance(width, int):
        sys.exit(f'--methods {kind} needs a head with in_channels, the '
                 'dimensions of the embedding, for its decoder.')
    side, blocks = base.size, 0
    while side % 2 == 0 and side >= 8:
        side, blocks = side // 2, blocks + 1
    widths = [max(16, min(512, width) >> n) for n in range(blocks + 1)]
    return Method(method.train_cfg, dict(
        type='AlignMixAEClassifier', decoder=dict(
            type='ResidualDecoder', in_channels=width, widths=widths,
            start_size=side))), None


#: Methods that are no batch augmentation with a place in the network alone.
_SPECIAL: dict[str, Callable[[str, dict, Base, Words], _Parts]] = dict(
    cutout=_cutout, alignmix_ae=_alignmix_ae)
