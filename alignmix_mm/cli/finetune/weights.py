"""Weights to start from."""
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
LEAST = .5  # share of the tensors that have to be found
# MMPretrain resizes these to the images when it loads them.
_RESIZED = re.compile('pos_embed|position_bias')


class Weights(NamedTuple):
    """Weights of a backbone, whose names begin with ``backbone.``.

    Attributes:
        source (str): File or URL, as the config names it.
        renamed (dict[str, Tensor], optional): What is to be written to that
            file first; None if it is there.
    """

    source: str
    renamed: dict[str, Tensor] | None = None

    def write(self, folder: Path) -> None:
        """Write what had to be renamed.

        Args:
            folder (Path): Folder of the config.
        """
        if self.renamed is not None:
            torch.save(dict(state_dict=self.renamed), folder / FILE)


def find_weights(source: str, network: Network) -> Weights:
    """Find weights of a backbone, and see that they fit.

    Args:
        source (str): A file, a URL, or ``'auto'``, the published weights of
            the network.
        network (Network): The network.

    Returns:
        Weights: The weights. Mistakes end the process with a sentence.
    """
    if source == 'auto':
        source = network.weights or sys.exit(
            f'--model {network.name} has no published weights: give a file '
            'or a URL, --pretrained FILE.')
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
            f'{source} does not fit {network.name}: it has '
            f'{len(found)} of {len(wanted)} tensors of the backbone. It lacks '
            f'{listed(missing, 2)}; its own are {listed(state, 2)}.')
    if missing:
        print(f'{source} lacks {len(missing)} of {len(wanted)} tensors of the '
              f'backbone: {listed(missing, 3)}')
    if (strip, add) == (f'{PREFIX}.', '') and not source.startswith(TIMM):
        return Weights(source if '://' in source else
                       str(Path(source).resolve()))
    return Weights('{{ fileDirname }}/' + FILE, {
        f'{PREFIX}.{key}': value for key, value in found.items()})


def read_state(source: str) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint or a plain state dict, executing none.

    Args:
        source (str): A file, a URL, or ``timm/NAME``.

    Returns:
        dict[str, Tensor]: By name.
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
        sys.exit(f'--pretrained {source} holds no tensors with names, but '
                 'expected a checkpoint or a state dict.')
    return state


def match_names(state: Iterable[str], wanted: Iterable[str]
                ) -> tuple[str, str]:
    """Find how the names of a file become those of a network.

    Args:
        state (Iterable[str]): Names of the file.
        wanted (Iterable[str]): Names of the network.

    Returns:
        tuple[str, str]: What to take off their beginnings, and what to put
        there instead, such that most of them fit.
    """
    state, wanted = list(state), set(wanted)

    def fitting(strip: str, add: str) -> int:
        return len(wanted & {add + key.removeprefix(strip)
                             for key in state if key.startswith(strip)})

    return max(((strip, add) for strip in _beginnings(state)
                for add in _beginnings(wanted)),
               key=lambda pair: fitting(*pair))


def _beginnings(names: Iterable[str]) -> list[str]:
    """'', and what many names begin with: ``'module.'``, ``'backbone.'``."""
    names = list(names)
    counts = Counter(
        '.'.join(key.split('.')[:depth]) + '.'
        for key in names for depth in (1, 2) if key.count('.') > depth)
    return ['', *(start for start, count in counts.items()
                  if count >= len(names) / 4)]


def _shapes(backbone: dict) -> dict[str, torch.Size]:
    """Shapes of the tensors that a backbone is trained with, by name."""
    with torch.random.fork_rng(devices=[]):
        network = MODELS.build(dict(backbone))
    fixed = {name for name, _ in network.named_buffers()
             if not name.endswith(('running_mean', 'running_var'))}
    return {name: value.shape for name, value in network.state_dict().items()
            if name not in fixed}
