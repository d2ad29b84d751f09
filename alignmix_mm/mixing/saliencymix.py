"""SaliencyMix: CutMix whose box lies where the partner is salient."""
from collections.abc import Sequence

import torch
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor

from .draws import Draws
from .functional import (
    box_share,
    denormalize,
    fine_grained_saliency,
    paste_box,
    saliency_box,
)
from .functional.misread import misread_saliency
from .functional.saliency import GRAY_WEIGHTS
from .method import MixMethod, check_alpha
from .pairs import Pairs
from .plan import MixPlan


@BATCH_AUGMENTS.register_module()
class SaliencyMix(MixMethod):
    r"""Paste the most salient region of the partner.

    The batch augmentation of `SaliencyMix: A Saliency Guided Data
    Augmentation Strategy for Better Regularization
    <https://arxiv.org/abs/2006.01791>`_. A box of the relative area
    :math:`1 - \lambda` around the most salient pixel of the partner replaces
    the same region of the image. It is clipped at the border, and labels are
    mixed by the area that remains. Saliency is the fine-grained one of
    OpenCV, which need not be installed.

    Args:
        alpha (float): :math:`\lambda \sim Beta(\alpha, \alpha)`. Defaults to
            1.0.
        mean (Sequence[float]): Mean of the data preprocessor, in units of
            the pixels (0 to 255). It turns normalized images back into
            pixels.
        std (Sequence[float]): Its standard deviation, likewise.
        per (str): ``'batch'``: one :math:`\lambda` and one box for the
            batch, at the most salient pixel of the first sample's partner,
            as in the official code. ``'sample'``: one for every sample.
            Defaults to ``'batch'``.
        pixel (str): ``'uint8'``: saliency of the pixels. ``'normalized'``:
            what the official code computes, which passes normalized images
            to a function that reads their memory as 8-bit pixels; the peak
            has little to do with the image and lies near the top edge.
            Defaults to ``'uint8'``.
        channel_order (str): Channel order of the data preprocessor's output,
            ``'rgb'`` or ``'bgr'``. Defaults to ``'rgb'``.

    Raises:
        ValueError: If an argument is out of range.
    """

    needs_model = False

    def __init__(self, alpha: float = 1.0, *, mean: Sequence[float],
                 std: Sequence[float], per: str = 'batch',
                 pixel: str = 'uint8', channel_order: str = 'rgb') -> None:
        self.alpha = check_alpha(alpha)
        for name, value, choices in (
                ('per', per, ['batch', 'sample']),
                ('pixel', pixel, ['uint8', 'normalized']),
                ('channel_order', channel_order, list(GRAY_WEIGHTS))):
            if value not in choices:
                raise ValueError(f'Expected `{name}` to be one of {choices}, '
                                 f'but got {value!r}.')
        self.mean, self.std = mean, std
        self.per = per
        self.pixel = pixel
        self.channel_order = channel_order

    @torch.no_grad()
    def plan(self, images: Tensor, scores: Tensor, draws: Draws) -> MixPlan:
        """Draw boxes, and place them where partners are salient.

        Args:
            images (Tensor): ``(B, 3, H, W)``, floating point.
            scores (Tensor): ``(B, num_classes)``, float32.
            draws (Draws): Generators.

        Returns:
            MixPlan: The plan.
        """
        lam, perm = (x.to(images.device, non_blocking=True)
                     for x in self.choose(len(images), draws))
        partner = images[perm]
        if self.per == 'batch':
            box = saliency_box(self.saliency(partner[:1])[0], lam)
        else:
            box = saliency_box(self.saliency(partner), lam)
        own = 1 - box_share(box, images.shape[-2:])
        return MixPlan('saliencymix', labels=Pairs(own.float(), perm),
                       pixels=lambda x: paste_box(x, x[perm], box))

    def choose(self, batch_size: int,
               draws: Draws) -> tuple[Tensor, Tensor]:
        """Draw lambda and the permutation.

        Args:
            batch_size (int): Number of samples, B.
            draws (Draws): Generators.

        Returns:
            tuple[Tensor, Tensor]: Lambda, ``()`` or ``(B, )``, float64, and
            the permutation, ``(B, )``, int64, on the CPU.
        """
        size = batch_size if self.per == 'sample' else None
        lam = torch.as_tensor(draws.own.beta(self.alpha, self.alpha, size),
                              dtype=torch.float64)
        return lam, torch.from_numpy(draws.own.permutation(batch_size))

    def saliency(self, images: Tensor) -> Tensor:
        """Compute the saliency by which boxes are placed.

        Args:
            images (Tensor): Normalized images, ``(N, 3, H, W)``, floating
                point.

        Returns:
            Tensor: From 0 to 1, ``(N, H, W)``, float32.
        """
        if self.pixel == 'normalized':
            return misread_saliency(images)
        pixels = denormalize(images, self.mean, self.std)
        return fine_grained_saliency(pixels, self.channel_order)
