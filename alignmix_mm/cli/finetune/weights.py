"""Find weights to start training from."""
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.runner import CheckpointLoader
from mmpretrain.registry import MODELS
from torch import Tensor

from ...datasets.class_folders import listed
from .networks import TIMM, Network

FILE = 'pretrained.pth'
PREFIX = 'backbone'
LEAST = .5  # smallest share of the tensors that has to fit
# MMPretrain resizes these to the image size when it loads them.
_RESIZED = re.compile('pos_embed|position_bias')


class Weights(NamedTuple):
    """Weights of a backbone; in the file, names begin with ``backbone.``.

    Attributes:
        source (str): File or URL, as named in the config.
        renamed (dict[str, Tensor], optional): Tensors to write to that file
            first; None if the file exists.
    """

    source: str
    renamed: dict[str, Tensor] | None = None

    def write(self, folder: Path) -> None:
        """Write the renamed tensors, if any.

        Args:
            folder (Path): Folder of the config. Other weights in it, from
                which earlier runs started, end the process with a sentence.
        """
        if self.renamed is None:
            return
        path = folder / FILE
        if path.exists() and not _same(self.renamed, read_state(str(path))):
            sys.exit(f'{path} holds other weights than --pretrained now. '
                     'Give another --work-dir, or the weights of the first '
                     'time.')
        torch.save(dict(state_dict=self.renamed), path)


def find_weights(source: str, network: Network) -> Weights:
    """Find weights of a backbone and check that they fit.

    Args:
        source (str): A file, a URL, or ``'auto'`` for the published weights
            of the network.
        network (Network): The network.

    Returns:
        Weights: The weights. A mistake ends the process with one sentence.
    """
    if source == 'auto':
        source = network.weights or sys.exit(
            f'--model {network.name} has no published weights. Give a file '
            'or a URL: --pretrained FILE.')
    state = read_state(source)
    wanted = _shapes(network.model['backbone'])
    strip, add = match_names(state, wanted)
    renamed = {add + key.removeprefix(strip): value
               for key, value in state.items() if key.startswith(strip)}
    found = {name: renamed[name] for name, shape in wanted.items()
             if name in renamed and (renamed[name].shape == shape
                                     or _RESIZED.search(name))}
    missing = [name for name in wanted if name not in found]
    if len(found) < LEAST * len(wanted):
        sys.exit(
            f'{source} does not fit {network.name}: it has only '
            f'{len(found)} of {len(wanted)} tensors of the backbone. It lacks '
            f'{listed(missing, 2)}; it has {listed(state, 2)}.')
    if missing:
        print(f'{source} lacks {len(missing)} of {len(wanted)} tensors of the '
              f'backbone, which stay random: {listed(missing, 3)}.')
    if (strip, add) == (f'{PREFIX}.', '') and not source.startswith(TIMM):
        return Weights(source if '://' in source else
                       str(Path(source).resolve()))
    return Weights('{{ fileDirname }}/' + FILE, {
        f'{PREFIX}.{key}': value for key, value in found.items()})


def _same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(value, other[name]) for name, value in one.items())


def read_state(source: str) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint or state dict; execute nothing.

    Args:
        source (str): A file, a URL, or ``timm/NAME``.

    Returns:
        dict[str, Tensor]: Tensors by name.
    """
    if source.startswith(TIMM):
        import timm
        return timm.create_model(
            source.removeprefix(TIMM), pretrained=True).state_dict()
    if '://' not in source and not Path(source).is_file():
        sys.exit(f'--pretrained {source}: there is no such file.')
    content = CheckpointLoader.load_checkpoint(source, 'cpu', 'silent')
    for key in ('state_dict', 'model', 'model_state_dict'):
        if isinstance(content, Mapping) and isinstance(
                content.get(key), Mapping):
            content = content[key]
    state = {key: value for key, value in dict(content).items()
             if isinstance(value, Tensor)} if isinstance(
                 content, Mapping) else {}
    if not state:
        sys.exit(f'--pretrained {source}: expected a checkpoint or a state '
                 'dict, but the file holds no named tensors.')
    return state


def match_names(state: Iterable[str], wanted: Iterable[str]
                ) -> tuple[str, str]:
    """Find how to turn the names in a file into those of a network.

    Args:
        state (Iterable[str]): Names in the file.
        wanted (Iterable[str]): Names in the network.

    Returns:
        tuple[str, str]: The prefix to strip and the prefix to add, so that
        as many names as possible match.
    """
    state, wanted = list(state), set(wanted)

    def fitting(strip: str, add: str) -> int:
        return len(wanted & {add + key.removeprefix(strip)
                             for key in state if key.startswith(strip)})

    return max(((strip, add) for strip in _beginnings(state)
                for add in _beginnings(wanted)),
               key=lambda pair: fitting(*pair))


def _beginnings(names: Iterable[str]) -> list[str]:
    """'' and common prefixes, such as ``'module.'`` and ``'backbone.'``."""
    names = list(names)
    counts = Counter(
        '.'.join(key.split('.')[:depth]) + '.'
        for key in names for depth in (1, 2) if key.count('.') > depth)
    return ['', *(start for start, count in counts.items()
                  if count >= len(names) / 4)]


def _shapes(backbone: dict) -> dict[str, torch.Size]:
    """Shapes of the trained tensors and statistics of a backbone."""
    with torch.random.fork_rng(devices=[]):
        network = MODELS.build(dict(backbone))
    fixed = {name for name, _ in network.named_buffers()
             if not name.endswith(('running_mean', 'running_var'))}
    return {name: value.shape for name, value in network.state_dict().items()
            if name not in fixed}
