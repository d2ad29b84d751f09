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
    """The plan of one step. Parts that are None are not mixed.

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
        place (float): A uniform number in [0, 1) that chooses one of several
            places. Defaults to 0, the first place.
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
            images (Tensor): ``(B, C, H, W)``, floating point.

        Returns:
            Tensor: ``(B', C, H, W)``, in the same dtype.
        """
        return images if self.pixels is None else self.pixels(images)

    def map_mixtures(self, change: Callable[[Mixture], Mixture]) -> MixPlan:
        """The same plan, with different mixtures of features and embeddings.

        Args:
            change (Callable): Takes a mixture and returns the new one.

        Returns:
            MixPlan: The plan.
        """
        return replace(self, **{
            name: change(mixture) for name in ('features', 'embedding')
            if (mixture := getattr(self, name)) is not None})

    def with_defaults(self, align: bool,
                      transport: TransportOptions) -> MixPlan:
        """Fill in the model's options where the method has none.

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
        images (Tensor): Images at which the gradient is taken,
            ``(B, C, H, W)``, floating point: those of the batch, with or
            without noise.
        complete (Callable): Makes the :class:`MixPlan` from the gradient of
            the loss with respect to ``images``, ``(B, C, H, W)``, float32. It
            draws nothing, so a second call returns the same plan.
        clean_weight (float): Weight of the loss of ``images``. Above 0 this
            loss is trained too, and its pass is a training pass, which
            updates BatchNorm. Defaults to 0: an evaluation pass, whose loss
            only gives the gradient.
    """

    tag: str
    images: Tensor
    complete: Callable[[Tensor], MixPlan]
    clean_weight: float = 0.0


@dataclass(frozen=True, eq=False)
class MixBatch:
    """Images together with the plan by which a model has to mix them.

    It replaces the image tensor between the data preprocessor and the
    classifier, so the plan reaches the classifier with its batch. A layer
    that receives a ``MixBatch`` raises an error, because then no model has
    executed the plan.

    Attributes:
        images (Tensor): ``(B, C, H, W)``, floating point; already mixed if
            the plan is complete and mixes pixels.
        plan (MixPlan | PendingPlan): The plan.
    """

    images: Tensor
    plan: MixPlan | PendingPlan

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None) -> NoReturn:
        raise TypeError(_misuse(getattr(func, '__name__', str(func))))

    def __getattr__(self, name: str) -> NoReturn:
        # Reached only for attributes that a MixBatch lacks: `.shape`, `.to`...
        if name.startswith('__'):  # copy, pickle and friends ask for these
            raise AttributeError(name)
        raise AttributeError(_misuse(f'.{name}'))


def _misuse(user: str) -> str:
    return (
        f'`{user}` received a MixBatch, i.e. images that still carry a plan '
        'of mixing: labels would be mixed, but not features. To let the '
        "model execute the plan, set model.type to 'AlignMixClassifier' (or "
        "'alignmix_mm.AlignMixClassifier') in the config, instead of "
        "'ImageClassifier'.")
