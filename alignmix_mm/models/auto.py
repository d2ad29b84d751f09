"""The last place of a network where alignment matters."""
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from .flow import Flow, Output, describe, follow
from .shapes import check_width, present

# Largest share of the operations after the place, which is near the end.
_SHARE = .75


class Candidate(NamedTuple):
    """A place that all features pass.

    Attributes:
        name (str, optional): Dotted path in the backbone, None for the neck.
        shape (tuple[int, ...]): Shape of its output, for one image.
        combining (int): Number of operations after it that combine
            positions. If it is 0, alignment changes nothing.
        share (float): Share of the operations that come after it, in [0, 1].
    """

    name: str | None
    shape: tuple[int, ...]
    combining: int
    share: float

    @property
    def channels_last(self) -> bool:
        """Whether this is the shape of a square map ``(H, W, C)``."""
        return _is_channels_last(self.shape)


class Places(NamedTuple):
    """The places of a classifier.

    Attributes:
        candidates (list[Candidate]): In the order of the forward pass.
        rejected (dict[str, str]): Other modules that ran, and why they are
            not places.
        output (tuple[int, ...], optional): Shape of the backbone's output
            for one image; None if it is not one tensor.
        num_classes (int): Size of the classifier's output.
    """

    candidates: list[Candidate]
    rejected: dict[str, str]
    output: tuple[int, ...] | None
    num_classes: int

    @property
    def last(self) -> Candidate | None:
        """The last place after which positions are combined.

        Of several places with the same combining operations after them, it
        is the outermost one: the whole second-to-last block, not a layer
        inside it. None if no place is near the end.
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

    The forward pass has shapes but no values: nothing is drawn or changed.

    Args:
        model (nn.Module): A classifier.
        shape (Sequence[int]): Shape of an image, ``(C, H, W)``.
        channels_last (bool): Whether maps in the backbone are ``(B, H, W,
            C)`` even if their shape does not show it. Defaults to False.
        device (torch.device | str): Device of the network. Defaults to
            ``'cpu'``.

    Returns:
        Places: Modules of the backbone, and the neck at the end.

    Raises:
        ValueError: If the embedding does not fit the head.
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
    """The place, or the reason why it is not one."""
    shape = output.shape[1:]
    sides = shape[:1] if len(shape) == 2 else (
        shape[:2] if channels_last else shape[1:])
    positions = math.prod(sides)
    share = flow.share_after(output)
    if share is None:
        return 'some features bypass it'
    if positions == 1:
        return 'it has only one position'
    return Candidate(name, shape, flow.combining(output, positions), share)


def _is_channels_last(shape: Sequence[int]) -> bool:
    return len(shape) == 3 and shape[0] == shape[1] != shape[2]


@torch.compiler.disable
def find_place(model: nn.Module, images: Tensor) -> str | None:
    """Find the place of ``mix_at='auto'``, and log it.

    Args:
        model (AlignMixClassifier): The classifier.
        images (Tensor): ``(B, C, H, W)``. Only shape and device are used.

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
