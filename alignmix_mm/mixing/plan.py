"""What is mixed in one training step, and where."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from torch import Tensor

from ..ops.options import TransportOptions
from .mixture import Mixture


@dataclass(frozen=True, eq=False)
class MixPlan:
    """The plan of one step. What is None is not mixed.

    Attributes:
        tag (str): Name of the plan for logs and pictures.
        labels (Mixture, optional): Mixes the labels. Defaults to None.
        pixels (Callable, optional): Mixes the images, ``(B, C, H, W)`` to
            ``(B', C, H, W)``; a :class:`Mixture` or any function. Defaults
            to None.
        features (Mixture, optional): Mixes a feature map. Defaults to None.
        at (Sequence[str | None], optional): Where ``features`` mixes: after
            modules of the backbone with these names, or before the neck
            (None). Defaults to None: the places of the model (``mix_at``).
        place (float): A uniform number in [0, 1), which chooses one of
            several places. Defaults to 0, which is the first.
        embedding (Mixture, optional): Mixes the embedding. Defaults to None.
        classifies (bool): Whether the batch trains the classifier. If not,
            an auto-encoder reconstructs it. Defaults to True.
    """

    tag: str
    labels: Mixture | None = None
    pixels: Callable[[Tensor], Tensor] | None = None
    features: Mixture | None = None
    at: Sequence[str | None] | None = None
    place: float = 0.0
    embedding: Mixture | None = None
    classifies: bool = True

    def mix_labels(self, scores: Tensor) -> Tensor:
        """Mix labels as the plan says.

        Args:
            scores (Tensor): ``(B, num_classes)``, float32.

        Returns:
            Tensor: ``(B', num_classes)``, float32.
        """
        return scores if self.labels is None else self.labels(scores)

    def mix_images(self, images: Tensor) -> Tensor:
        """Mix images as the plan says.

        Args:
            images (Tensor): ``(B, C, H, W)``.

        Returns:
            Tensor: ``(B', C, H, W)``.
        """
        return images if self.pixels is None else self.pixels(images)

    def map_mixtures(self, change: Callable[[Mixture], Mixture]) -> MixPlan:
        """A plan whose features and embeddings are mixed otherwise.

        Args:
            change (Callable): Gets one mixture and returns another.

        Returns:
            MixPlan: The plan.
        """
        return replace(self, **{
            name: change(mixture) for name in ('features', 'embedding')
            if (mixture := getattr(self, name)) is not None})

    def with_defaults(self, align: bool,
                      transport: TransportOptions) -> MixPlan:
        """Fill in what the model's config says and the method's does not.

        Args:
            align (bool): Whether maps are aligned.
            transport (TransportOptions): Options of the transport.

        Returns:
            MixPlan: The plan.
        """
        return self.map_mixtures(
            lambda mixture: mixture.with_defaults(align, transport))


@dataclass(frozen=True, eq=False)
class PendingPlan:
    """A plan that needs the gradient of the loss before it is complete.

    Attributes:
        tag (str): Name of the plan for logs and pictures.
        images (Tensor): Where the gradient is taken, ``(B, C, H, W)``: those
            of the batch, or the same with noise.
        complete (Callable): Makes the :class:`MixPlan` of the gradient of the
            loss of ``images``, ``(B, C, H, W)`` float32. It draws nothing:
            asked twice, it gives the same plan.
        clean_weight (float): Weight of the loss of ``images``, which is then
            trained with too: its pass is one of training, which BatchNorm
            records. Defaults to 0: a pass of evaluation, whose loss is used
            for the gradient alone.
    """

    tag: str
    images: Tensor
    complete: Callable[[Tensor], MixPlan]
    clean_weight: float = 0.0


@dataclass(frozen=True, eq=False)
class MixBatch:
    """Images together with the plan by which a model has to mix them.

    It takes the place of the image tensor between the data preprocessor and
    the classifier, so the plan needs no other way to the layers that execute
    it. A layer that gets a whole ``MixBatch`` raises: nobody executed the
    plan.

    Attributes:
        images (Tensor): ``(B, 3, H, W)``; if the plan is complete and mixes
            pixels, they are mixed already.
        plan (MixPlan | PendingPlan): The plan.
    """

    images: Tensor
    plan: MixPlan | PendingPlan

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None) -> NoReturn:
        raise TypeError(_misuse(getattr(func, '__name__', str(func))))

    def __getattr__(self, name: str) -> NoReturn:
        # Only reached for what a MixBatch does not have: `.shape`, `.to`...
        if name.startswith('__'):  # copy, pickle and friends ask for these
            raise AttributeError(name)
        raise AttributeError(_misuse(f'.{name}'))


def _misuse(user: str) -> str:
    return (
        f'`{user}` received a MixBatch, i.e. images that still carry a plan '
        'of mixing: labels would be mixed and features not. The model has to '
        "execute the plan: in the config set model.type to "
        "'AlignMixClassifier' (or 'alignmix_mm.AlignMixClassifier') instead "
        "of 'ImageClassifier'.")
