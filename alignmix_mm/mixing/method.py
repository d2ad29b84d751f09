"""The protocol of all mixing methods."""
import abc
import logging
from collections.abc import Sequence
from numbers import Integral

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from .draws import Draws, draws_of_step
from .plan import MixBatch, MixPlan, PendingPlan


class MixMethod(abc.ABC):
    """A batch augmentation that draws a plan of mixing for every batch.

    A method overrides :meth:`plan` and is registered in MMPretrain's
    ``BATCH_AUGMENTS``. Labels and pixels are mixed here, or by the
    ``AlignMixClassifier`` if the plan is pending. Feature maps and embeddings
    are always mixed by the classifier.

    Attributes:
        seed (int): Seed of the draws that all ranks share.
        at (Sequence[str | None], optional): Places named by plans; they are
            looked up when the model is built.
        needs_model (bool): Whether some plans mix inside the network or need
            its gradient. If not, any ``ImageClassifier`` can be trained.
        reconstructs (bool): Whether some plans train an auto-encoder.
    """

    seed: int = 0
    at: Sequence[str | None] | None = None
    needs_model: bool = True
    reconstructs: bool = False
    _warned_batch = False

    @abc.abstractmethod
    def plan(self, images: Tensor, scores: Tensor,
             draws: Draws) -> MixPlan | PendingPlan:
        """Draw the plan of a batch.

        Args:
            images (Tensor): Input of the network, ``(B, C, H, W)``, floating
                point.
            scores (Tensor): Labels, ``(B, num_classes)``, float32.
            draws (Draws): Generators for all random choices.

        Returns:
            MixPlan | PendingPlan: The plan, or a request for the gradient of
            the loss, from which the plan is made.
        """

    def attach(self, preprocessor: nn.Module) -> None:  # noqa: B027
        """Look at the data preprocessor, once, when a model is built.

        Args:
            preprocessor (nn.Module): Data preprocessor of the model.
        """

    @torch.compiler.disable
    def draw(self, images: Tensor,
             scores: Tensor | None = None) -> MixPlan | PendingPlan:
        """Draw the plan of the current step.

        Args:
            images (Tensor): Input of the network, ``(B, C, H, W)``, floating
                point.
            scores (Tensor, optional): Labels, ``(B, num_classes)``, float32.
                Defaults to None: zeros, ``(B, 1)``.

        Returns:
            MixPlan | PendingPlan: See :meth:`plan`.
        """
        if scores is None:
            scores = images.new_zeros(len(images), 1)
        return self.plan(images, scores, draws_of_step(self.seed))

    def __call__(self, batch_inputs: Tensor, batch_score: Tensor
                 ) -> tuple[Tensor | MixBatch, Tensor]:
        """Draw a plan, and mix labels and pixels if it is complete.

        Args:
            batch_inputs (Tensor): Images, ``(N, C, H, W)``, floating point.
            batch_score (Tensor): One-hot or soft labels,
                ``(N, num_classes)``, any real dtype.

        Returns:
            tuple[Tensor | MixBatch, Tensor]: Images, with their plan if the
            method needs the model, and the labels, ``(N, num_classes)``,
            float32.

        Raises:
            ValueError: If labels are not of shape ``(N, num_classes)``.
        """
        if batch_score.ndim != 2:
            raise ValueError(
                'Expected `batch_score` to be one-hot labels (N, num_classes),'
                f' but got shape {tuple(batch_score.shape)}.')
        self._warn_of_small_batch(len(batch_inputs))
        scores = batch_score.float()
        plan = self.draw(batch_inputs, scores)
        if isinstance(plan, PendingPlan):
            return MixBatch(batch_inputs, plan), scores
        images, scores = plan.mix_images(batch_inputs), plan.mix_labels(scores)
        return MixBatch(images, plan) if self.needs_model else images, scores

    def _warn_of_small_batch(self, size: int) -> None:
        if size <= 2 and not self._warned_batch:
            self._warned_batch = True
            print_log(
                f'{type(self).__name__} got a batch of {size}: there are '
                'too few partners to mix with, and such a small last batch '
                'spoils the statistics of BatchNorm. Set '
                '`train_dataloader.drop_last=True`.',
                logger='current', level=logging.WARNING)


def check_alpha(alpha: float, name: str = 'alpha') -> float:
    r"""Check the parameter of a :math:`Beta(\alpha, \alpha)` distribution.

    Args:
        alpha (float): The parameter.
        name (str): Its name in the config. Defaults to ``'alpha'``.

    Returns:
        float: The parameter.

    Raises:
        ValueError: If it is not a positive, finite number.
    """
    if not isinstance(alpha, (int, float)) or not 0 < alpha < float('inf'):
        raise ValueError(f'Expected `{name}` to be > 0, but got {alpha!r}.')
    return float(alpha)


def check_seed(seed: int, name: str = 'seed') -> int:
    """Check a seed of what all ranks draw alike.

    Args:
        seed (int): The seed.
        name (str): Its name in the config. Defaults to ``'seed'``.

    Returns:
        int: The seed.

    Raises:
        ValueError: If it is not an integer, or negative.
    """
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f'Expected `{name}` to be an integer >= 0, but got '
                         f'{seed!r}.')
    return int(seed)
