"""PuzzleMix: masks that keep the salient parts of both images."""
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor, nn

from .draws import Draws, torch_generator
from .functional import puzzle_costs, puzzle_masks, puzzle_mix
from .functional.puzzle_terms import LABELS
from .method import MixMethod, check_alpha, check_seed
from .mixture import WeightedSum
from .pixels import PixelScale
from .plan import MixPlan, PendingPlan
from .saliency import saliency_of


@dataclass(frozen=True, eq=False)
class _Drawn:
    """The draws of a batch, made before its saliency is known."""

    blocks: int
    lam: float
    perm: Tensor
    noise: Tensor | None
    noise_weight: float
    noisy: tuple[bool, bool]


@BATCH_AUGMENTS.register_module()
class PuzzleMix(MixMethod):
    r"""Mix pairs by masks that show the salient parts of both images.

    `Puzzle Mix <https://arxiv.org/abs/2009.06962>`_ (Kim, Choo and Song,
    2020). The mask is the exact minimum of an energy of saliency and local
    statistics; then patches of both images move to where they are visible.
    Saliency is the gradient of the loss of the network in training, which
    must be an ``AlignMixClassifier``.

    Args:
        alpha (float): :math:`\lambda \sim Beta(\alpha, \alpha)`, one for each
            batch. Defaults to 1.0.
        blocks (Sequence[int]): Numbers of blocks along each side of the mask;
            one is drawn for each batch. Defaults to ``(2, 4, 8, 16)``.
        beta (float): Weight of smooth masks. Defaults to 1.2.
        gamma (float): Weight of smooth images. Defaults to 0.5.
        eta (float): Weight of the prior. Defaults to 0.2.
        neigh_size (int): Side, in pixels, of the cells whose borders are
            compared. Defaults to 4.
        num_labels (int): Number of values of the mask: 2, 3 or 4. Defaults
            to 3.
        transport (bool): Whether patches move. Defaults to True.
        t_eps (float): Price of the distance. Defaults to 0.8.
        t_size (int): Side of a patch in pixels; the code for CIFAR uses 4.
            Defaults to -1: the side of a block.
        clean_lam (float): Weight of the loss of the unmixed images, which
            gives the saliency; above 0 it is trained too. The code for
            TinyImageNet uses 1. Defaults to 0.
        adv_p (float): Probability of adversarial noise, drawn separately for
            the images of a batch and for their partners. The paper uses 0.1.
            Defaults to 0.
        adv_eps (float): Largest noise, in units of 8-bit pixels. Defaults to
            10.
        mean (Sequence[float], optional): Mean of the normalization, in units
            of the pixels (0 to 255). Defaults to None: that of the model's
            data preprocessor.
        std (Sequence[float], optional): Standard deviation, likewise.
        seed (int): Seed of the number of blocks; all ranks draw the same one.
            Defaults to 0.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, alpha: float = 1.0,
                 blocks: int | Sequence[int] = (2, 4, 8, 16),
                 beta: float = 1.2, gamma: float = .5, eta: float = .2,
                 neigh_size: int = 4, num_labels: int = 3,
                 transport: bool = True, t_eps: float = .8,
                 t_size: int = -1, clean_lam: float = 0.,
                 adv_p: float = 0., adv_eps: float = 10.,
                 mean: Sequence[float] | None = None,
                 std: Sequence[float] | None = None, seed: int = 0) -> None:
        self.alpha = check_alpha(alpha)
        self.blocks = (blocks, ) if isinstance(blocks, int) else tuple(blocks)
        if not self.blocks or min(self.blocks) < 1 or (
                num_labels not in LABELS or neigh_size < 1
                or not (t_size == -1 or t_size > 0)):
            raise ValueError(
                'Expected `blocks` and `neigh_size` >= 1, `t_size` >= 1 or '
                f'-1 and `num_labels` one of {LABELS}, but got {self.blocks}, '
                f'{neigh_size}, {t_size} and {num_labels}.')
        if clean_lam < 0 or not 0 <= adv_p <= 1 or adv_eps < 0:
            raise ValueError(
                'Expected `clean_lam` >= 0, `adv_p` from 0 to 1 and `adv_eps` '
                f'>= 0, but got {clean_lam}, {adv_p} and {adv_eps}.')
        self.energy = dict(beta=beta, gamma=gamma, eta=eta,
                           neigh_size=neigh_size, num_labels=num_labels)
        self.transport, self.t_eps, self.t_size = transport, t_eps, t_size
        self.clean_lam, self.adv_p, self.adv_eps = clean_lam, adv_p, adv_eps
        self.scale = PixelScale(mean, std)
        self.seed = check_seed(seed)

    def attach(self, preprocessor: nn.Module) -> None:
        """Take the model's normalization if the method has none.

        Args:
            preprocessor (nn.Module): Data preprocessor of the model.
        """
        self.scale = self.scale.or_of(preprocessor)

    def plan(self, images: Tensor, scores: Tensor,
             draws: Draws) -> PendingPlan:
        """Draw everything except the masks, and ask for the gradient.

        Args:
            images (Tensor): ``(B, C, S, S)``, floating point.
            scores (Tensor): ``(B, num_classes)``, float32.
            draws (Draws): Generators.

        Returns:
            PendingPlan: The plan.

        Raises:
            ValueError: If masks or patches do not fit the images.
        """
        self._check_size(images)
        drawn = self._draw(images, draws)
        seen = images
        if drawn.noise is not None:
            pixels = self.scale.to_unit(images)
            seen = self.scale.from_unit(pixels + drawn.noise)
        return PendingPlan(
            'puzzlemix', seen, clean_weight=self.clean_lam,
            complete=lambda gradient: self._complete(images, drawn, gradient))

    def _draw(self, images: Tensor, draws: Draws) -> _Drawn:
        blocks = self.blocks[draws.shared.integers(len(self.blocks))]
        lam = float(draws.own.beta(self.alpha, self.alpha))
        perm = torch.from_numpy(draws.own.permutation(len(images))).to(
            images.device, non_blocking=True)
        noisy = tuple(bool(u < self.adv_p) for u in draws.own.random(2))
        weight, noise = float(draws.own.random()), None
        if any(noisy):
            pixels, limit = self.scale.to_unit(images), self.adv_eps / 255
            start = torch.empty_like(pixels).uniform_(
                -limit, limit, generator=torch_generator(
                    draws.own, images.device))
            noise = (pixels + start).clamp(0, 1) - pixels
        return _Drawn(blocks, lam, perm, noise, weight, noisy)

    def _complete(self, images: Tensor, drawn: _Drawn,
                  gradient: Tensor) -> MixPlan:
        saliency = saliency_of(gradient)
        pixels = self.scale.to_unit(images)
        masks = puzzle_masks(*puzzle_costs(
            pixels, saliency, drawn.perm, drawn.lam, drawn.blocks,
            **self.energy))
        own, partners = (
            self._attack(pixels, drawn, gradient) if noisy else images
            for noisy in drawn.noisy)
        mixed, weight = puzzle_mix(
            own, drawn.perm, masks, saliency if self.transport else None,
            t_eps=self.t_eps, t_size=self.t_size, partners=partners)
        parents = torch.stack(
            [torch.arange(len(images), device=images.device), drawn.perm], 1)
        weights = torch.stack([weight, 1 - weight], 1).float()
        return MixPlan('puzzlemix', pixels=lambda _: mixed,
                       labels=WeightedSum(parents, weights))

    def _attack(self, pixels: Tensor, drawn: _Drawn,
                gradient: Tensor) -> Tensor:
        """Images with adversarial noise, normalized."""
        limit, step = self.adv_eps / 255, (self.adv_eps + 2) / 255
        noise = (drawn.noise + step * gradient.sign()).clamp(-limit, limit)
        return self.scale.from_unit(
            (pixels + drawn.noise_weight * noise).clamp(0, 1))

    def _check_size(self, images: Tensor) -> None:
        height, width = images.shape[2:]
        if height == width and self._fits(height):
            return
        near = [next(sizes, None) for sizes in (
            filter(self._fits, range(min(height, width), 0, -1)),
            filter(self._fits, range(max(height, width), 4 * height)))]
        would_do = ' or '.join(str(size) for size in dict.fromkeys(near)
                               if size is not None) or 'none'
        raise ValueError(
            'Expected square images that can be divided into '
            f'blocks={self.blocks} with sides that are multiples of '
            f"neigh_size={self.energy['neigh_size']} and t_size={self.t_size} "
            f'or not larger than these, but got {height}x{width}. Valid sides '
            f'nearby: {would_do}. Or choose different blocks or a smaller '
            'neigh_size.')

    def _fits(self, size: int) -> bool:
        return all(size % blocks == 0 and all(
            part < 1 or (size // blocks) % min(part, size // blocks) == 0
            for part in self._parts()) for blocks in self.blocks)

    def _parts(self) -> Iterable[int]:
        return (self.energy['neigh_size'],
                self.t_size if self.transport else -1)
