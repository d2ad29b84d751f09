"""The last place of a network at which alignment matters."""
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from .flow import Flow, Output, describe, follow
from .shapes import check_width, present

# what may follow the place, of all operations: it is near the end
_SHARE = .75


class Candidate(NamedTuple):
    """A place that all features pass.

    Attributes:
        name (str, optional): Dotted path in the backbone, None for the neck.
        shape (tuple[int, ...]): Of its output, for one image.
        combining (int): Number of operations after it that combine
            positions. If there is none, alignment changes nothing.
        share (float): Share of the operations that come after it.
    """

    name: str | None
    shape: tuple[int, ...]
    combining: int
    share: float

    @property
    def channels_last(self) -> bool:
        """Whether the shape is that of a square map ``(H, W, C)``."""
        return _is_channels_last(self.shape)


class Places(NamedTuple):
    """The places of a classifier.

    Attributes:
        candidates (list[Candidate]): In the order of the pass.
        rejected (dict[str, str]): Other modules that ran, and why they are
            no places.
        output (tuple[int, ...], optional): Shape of what the backbone
            returns for one image; None if it is not one tensor.
        num_classes (int): Size of what the classifier returns.
    """

    candidates: list[Candidate]
    rejected: dict[str, str]
    output: tuple[int, ...] | None
    num_classes: int

    @property
    def last(self) -> Candidate | None:
        """The last place after which positions are combined.

        Of places with the same such operations after them it is the
        outermost, the block before the last one: not a layer within that one.
        None if there is none near the end.
        """
        near = [place for place in self.candidates
                if place.combining and place.share <= _SHARE]
        if not near or near[-1].name is None:
            return near[-1] if near else None
        alike = [place for place in near
                 if place.combining == near[-1].combining]
        return min(reversed(alike), key=lambda place: place.name.count('.'))


def find_places(model: nn.Module, shape: Sequence[int],
                channels_last: bool = False,
                device: torch.device | str = 'cpu') -> Places:
    """Find the places that all features pass.

    The network is followed without values: nothing is drawn or changed.

    Args:
        model (nn.Module): A classifier.
        shape (Sequence[int]): Of an image, ``(C, H, W)``.
        channels_last (bool): Whether maps in the backbone are ``(B, H, W,
            C)`` even if their shape does not show it. Defaults to False.
        device (torch.device | str): Where the network is. Defaults to
            ``'cpu'``.

    Returns:
        Places: Modules of the backbone, and the neck at the end.
    """
    returned: list[Output] = []

    def run(images: Tensor) -> Any:
        feats = model.backbone.forward(images)
        maps = present(feats)
        if len(maps) == 1 and isinstance(maps[0], Tensor):
            returned.append(describe(maps[0]))
        if model.with_neck:
            feats = model.neck(feats)
        if not model.with_head:
            return feats
        check_width(feats, model.head)
        return model.head(feats)

    flow = follow(model.backbone, run, shape, torch.device(device), model)
    output = returned[0] if returned else None
    outputs: list[tuple[str | None, Output]] = [*flow.outputs.items()]
    if output is not None and len(output.shape) == 4:
        outputs.append((None, output))
    found, rejected = [], dict(flow.rejected)
    for name, each in outputs:
        last = channels_last or _is_channels_last(each.shape[1:])
        place = _candidate(flow, name, each, last and name is not None)
        if isinstance(place, Candidate):
            found.append(place)
        elif name is not None:
            rejected[name] = place
    return Places(found, rejected, output and output.shape[1:],
                  flow.ends[-1][-1])


def _candidate(flow: Flow, name: str | None, output: Output,
               channels_last: bool) -> Candidate | str:
    """The place, or why it is none."""
    shape = output.shape[1:]
    sides = shape[:1] if len(shape) == 2 else (
        shape[:2] if channels_last else shape[1:])
    positions = math.prod(sides)
    share = flow.share_after(output)
    if share is None:
        return 'some features go past it'
    if positions == 1:
        return 'it has one position'
    return Candidate(name, shape, flow.combining(output, positions), share)


def _is_channels_last(shape: Sequence[int]) -> bool:
    return len(shape) == 3 and shape[0] == shape[1] != shape[2]


@torch.compiler.disable
def find_place(model: nn.Module, images: Tensor) -> str | None:
    """Find what ``mix_at='auto'`` stands for, and tell the log.

    Args:
        model (AlignMixClassifier): The classifier.
        images (Tensor): ``(B, C, H, W)``. Their shape is used.

    Returns:
        str, optional: Dotted path in the backbone, None for the neck.

    Raises:
        ValueError: If there is no such place.
    """
    places = find_places(model, images.shape[1:], model.places.channels_last,
                         images.device)
    if places.last is None:
        near = [str(each.name) for each in places.candidates][-6:]
        raise ValueError(
            "mix_at='auto' found no place near the end of "
            f'{type(model.backbone).__name__} that all features pass and '
            'after which alignment matters. Name a module with `mix_at`; '
            f'all features pass {", ".join(near) or "none"}.')
    name = places.last.name
    print_log(f"mix_at='auto': maps are mixed at {name or 'the neck'}, the "
              'last place at which alignment matters.', logger='current')
    return name
