"""Inspect a classifier: where it can be mixed."""
import math
import re
from typing import NamedTuple

from mmengine.config import Config
from mmpretrain.models import ImageClassifier

from ...models.auto import Candidate, Places, find_places
from ...models.paths import find_module
from .classifier import build, image_size, num_channels

_SHOWN = 6  # number of places or modules that a message lists
_BLOCK = re.compile(r'([a-zA-Z_]\w*\.)+(\d+\.)*\d+')  # not its parts


class Probe(NamedTuple):
    """The results of inspecting a classifier.

    Attributes:
        size (int): Height and width of its images.
        channels (int): Channels of its images.
        model (ImageClassifier): The classifier.
        places (Places): Places where it can be mixed.
    """

    size: int
    channels: int
    model: ImageClassifier
    places: Places

    @property
    def neck(self) -> str | None:
        """Class name of the neck; None without a neck."""
        return type(self.model.neck).__name__ if self.model.with_neck else None

    def place(self, name: str | None) -> Candidate:
        """Find a place by name, or the last one where alignment matters.

        Args:
            name (str, optional): Dotted path in the backbone; None or
                ``'auto'`` means the last place.

        Returns:
            Candidate: The place.

        Raises:
            ValueError: If there is no such place; the message gives the
                reason and the possible places.
        """
        if name in (None, 'auto'):
            if self.places.last is None:
                raise ValueError('\n  '.join([
                    'Expected a block after which alignment changes the '
                    'embedding near the end of the backbone, but found',
                    *self._tried(), 'Choose a different place with --mix-at, '
                    'or add a layer that sees positions with --embed 512.']))
            return self.places.last
        found = {place.name: place for place in self.places.candidates}
        if name not in found:
            raise ValueError(
                f'{self._why_not(name)} All features flow through '
                f'{", ".join(self._names()) or "no module"}.')
        return found[name]

    def extra_tokens(self, place: Candidate) -> int | None:
        """Count the class tokens, unless the backbone declares them.

        Args:
            place (Candidate): The place.

        Returns:
            int, optional: Their number; None if the config need not set it.
        """
        if hasattr(self.model.backbone, 'num_extra_tokens'):
            return None
        return _extra_tokens(place.shape)

    def _why_not(self, name: str) -> str:
        try:
            find_module(name, self.model.backbone, '--mix-at')
        except ValueError as error:
            return str(error)
        why = self.places.rejected.get(name, 'it did not run')
        return f'--mix-at {name}: {why}.'

    def _names(self) -> list[str]:
        return [place.name for place in self.places.candidates
                if place.name is not None][-_SHOWN:]

    def _tried(self) -> list[str]:
        blocks = [name for name in self.places.rejected
                  if _BLOCK.fullmatch(name)]
        lines = [f'{name}: {self.places.rejected[name]}'
                 for name in blocks[-_SHOWN:]]
        lines += [f'{place.name or "the neck"}: '
                  f'{"too early" if place.combining else "no effect"}'
                  for place in self.places.candidates[-_SHOWN:]]
        return lines or ['none at all']


def probe(cfg: Config) -> Probe:
    """Build a classifier and inspect it.

    Args:
        cfg (Config): Config of a classifier.

    Returns:
        Probe: What was found.

    Raises:
        ValueError: If it is not a plain ``ImageClassifier``.
    """
    model = build(cfg)
    size, channels = image_size(cfg), num_channels(model.backbone)
    return Probe(size, channels, model,
                 find_places(model, (channels, size, size)))


def _extra_tokens(shape: tuple[int, ...]) -> int | None:
    """Number of tokens besides a square map; None for a map."""
    return next((count for count in range(3) if len(shape) == 2 and
                 math.isqrt(shape[0] - count) ** 2 == shape[0] - count), None)
