"""SaliencyMix: CutMix whose box lies where the partner is salient."""
from collections.abc import Sequence

import torch
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor

from ._drawing import check_alpha, check_scores, mix_scores, next_generator
from .functional import (
    box_share,
    denormalize,
    fine_grained_saliency,
    paste_box,
    saliency_box,
)
from .functional.misread import misread_saliency
from .functional.saliency import GRAY_WEIGHTS


@BATCH_AUGMENTS.register_module()
class SaliencyMix:
    r"""Paste the most salient region of the partner.

    The batch augmentation of `SaliencyMix: A Saliency Guided Data
    Augmentation Strategy for Better Regularization
    <https://arxiv.org/abs/2006.01791>`_. A box of the area
    :math:`1 - \lambda` around the most salient pixel of the partner replaces
    the same region of the image; it is clipped at the border, and labels are
    mixed by what is left of its area. Saliency is OpenCV's fine-grained one,
    but OpenCV is not needed.

    Args:
        alpha (float): :math:`\lambda \sim Beta(\alpha, \alpha)`. Defaults to
            1.0.
        mean (Sequence[float]): Mean of the data preprocessor, in units of
            the pixels. It turns normalized images back into pixels.
        std (Sequence[float]): Its standard deviation, likewise.
        per (str): ``'batch'``, one :math:`\lambda` and one box for the
            batch, where the partner of the first sample is salient, as in
            the official code; or ``'sample'``, one for every sample.
            Defaults to ``'batch'``.
        pixel (str): ``'uint8'``, saliency of the pixels; or
            ``'normalized'``, what the official code makes of them: it gives
            normalized images to a function that reads their memory as 8-bit
            pixels. What it finds has little to do with the image, and lies
            near the top edge. Defaults to ``'uint8'``.
        channel_order (str): Order of the images' channels, ``'rgb'`` or
            ``'bgr'``: that of the data preprocessor's output. Defaults to
            ``'rgb'``.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, alpha: float = 1.0, *, mean: Sequence[float],
                 std: Sequence[float], per: str = 'batch',
                 pixel: str = 'uint8', channel_order: str = 'rgb') -> None:
        check_alpha(alpha=alpha)
        for name, value, choices in (
                ('per', per, ['batch', 'sample']),
                ('pixel', pixel, ['uint8', 'normalized']),
                ('channel_order', channel_order, list(GRAY_WEIGHTS))):
            if value not in choices:
                raise ValueError(f'Expected `{name}` to be one of {choices}, '
                                 f'but got {value!r}.')
        self.alpha = float(alpha)
        self.mean, self.std = mean, std
        self.per = per
        self.pixel = pixel
        self.channel_order = channel_order

    @torch.compiler.disable
    def draw(self, batch_size: int,
             device: torch.device | str) -> tuple[Tensor, Tensor]:
        """Draw the next step.

        Args:
            batch_size (int): Number of samples, B.
            device (torch.device | str): Where the result is needed. It is
                drawn on the CPU, so a seed means the same everywhere.

        Returns:
            tuple[Tensor, Tensor]: Lambda, ``()`` or ``(B, )``, float64, and
            the permutation, ``(B, )``, int64.
        """
        generator = next_generator()
        size = batch_size if self.per == 'sample' else None
        lam = torch.as_tensor(generator.beta(self.alpha, self.alpha, size),
                              dtype=torch.float64)
        perm = torch.from_numpy(generator.permutation(batch_size))
        return (lam.to(device, non_blocking=True),
                perm.to(device, non_blocking=True))

    def saliency(self, images: Tensor) -> Tensor:
        """Compute what boxes are placed by.

        Args:
            images (Tensor): Normalized images, ``(N, 3, H, W)``.

        Returns:
            Tensor: From 0 to 1, ``(N, H, W)``, float32.
        """
        if self.pixel == 'normalized':
            return misread_saliency(images)
        pixels = denormalize(images, self.mean, self.std)
        return fine_grained_saliency(pixels, self.channel_order)

    @torch.no_grad()
    def __call__(self, batch_inputs: Tensor,
                 batch_score: Tensor) -> tuple[Tensor, Tensor]:
        """Paste boxes, and mix labels by their areas.

        Args:
            batch_inputs (Tensor): Images, ``(N, C, H, W)``.
            batch_score (Tensor): One-hot or soft labels,
                ``(N, num_classes)``.

        Returns:
            tuple[Tensor, Tensor]: Mixed images, and the labels that the
            model is trained with, ``(N, num_classes)``, float32.
        """
        check_scores(batch_score)
        lam, perm = self.draw(len(batch_inputs), batch_inputs.device)
        partner = batch_inputs[perm]
        if self.per == 'batch':
            box = saliency_box(self.saliency(partner[:1])[0], lam)
        else:
            box = saliency_box(self.saliency(partner), lam)
        own = 1 - box_share(box, batch_inputs.shape[-2:])
        return (paste_box(batch_inputs, partner, box),
                mix_scores(batch_score, perm, own))
