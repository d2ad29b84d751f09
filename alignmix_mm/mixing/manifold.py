"""Manifold mixup."""
from collections.abc import Sequence

from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor

from .draws import Draws
from .method import MixMethod, check_alpha, check_seed
from .pairs import draw_pairs
from .plan import MixPlan

INPUT = 'input'


@BATCH_AUGMENTS.register_module()
class ManifoldMix(MixMethod):
    r"""Mix images, or feature maps inside the network, without alignment.

    `Manifold Mixup <https://arxiv.org/abs/1806.05236>`_ (Verma et al.,
    2019). One of the places is drawn uniformly in every step.

    Args:
        alpha (float): :math:`\lambda \sim Beta(\alpha, \alpha)`, one for each
            batch. Defaults to 2.0.
        at (Sequence[str | None]): Places: ``'input'`` for the images, the
            dotted path of a module of the backbone, or None for the map
            before the neck. Defaults to ``('input', 'layer1', 'layer2')``,
            as published for ResNets.
        seed (int): Seed of the places; all ranks draw the same ones. Defaults
            to 0.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, alpha: float = 2.0,
                 at: str | Sequence[str | None] = (INPUT, 'layer1', 'layer2'),
                 seed: int = 0) -> None:
        self.alpha = check_alpha(alpha)
        self.places = ((at, ) if isinstance(at, str) or at is None else
                       tuple(at))
        if not self.places:
            raise ValueError("Expected `at` to name places, such as 'input' "
                             "or 'layer1', but got none.")
        self.at = tuple(name for name in self.places if name != INPUT)
        self.seed = check_seed(seed)

    def plan(self, images: Tensor, scores: Tensor,
             draws: Draws) -> MixPlan:
        """Draw lambda, permutation and place.

        Args:
            images (Tensor): ``(B, C, H, W)``, floating point.
            scores (Tensor): ``(B, num_classes)``, float32.
            draws (Draws): Generators.

        Returns:
            MixPlan: The plan.
        """
        pairs = draw_pairs(draws.own, self.alpha, images, per_batch=True)
        place = self.places[draws.shared.integers(len(self.places))]
        if place == INPUT:
            return MixPlan(INPUT, labels=pairs, pixels=pairs)
        return MixPlan(place or 'neck', labels=pairs, features=pairs,
                       at=(place, ))
