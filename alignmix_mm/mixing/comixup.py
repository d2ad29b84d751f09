"""Co-Mixup: many images of a batch mixed together."""
from dataclasses import dataclass
from numbers import Integral

import torch
import torch.nn.functional as F
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor

from .draws import Draws
from .functional import (
    comixup_assign,
    comixup_compatibility,
    comixup_costs,
    comixup_mix,
)
from .method import MixMethod, check_alpha
from .mixture import WeightedSum
from .plan import MixPlan, PendingPlan
from .saliency import saliency_of


@dataclass(frozen=True, eq=False)
class _Parts:
    """Consecutive parts of a batch that have the same size.

    Attributes:
        first (int): Index of their first image.
        prior (Tensor): Target shares of the images, ``(P, K)``, float32.
        init (Tensor): Image in each block at the start, ``(P, K, n, n)``,
            int64.
    """

    first: int
    prior: Tensor
    init: Tensor

    def take(self, x: Tensor) -> Tensor:
        """These parts of a batch: ``(B, ...)`` to ``(P, K, ...)``."""
        count = self.prior.numel()
        return x[self.first:self.first + count].unflatten(
            0, tuple(self.prior.shape))


@BATCH_AUGMENTS.register_module()
class CoMixup(MixMethod):
    r"""Mix the images of a part of the batch together, block by block.

    `Co-Mixup <https://arxiv.org/abs/2102.03065>`_ (Kim, Choo, Jeong and
    Song, 2021). The batch is divided into parts. Each part gives as many
    mixed images as it has images. A mixed image shows salient blocks of some
    of them, and the mixed images of a part are made diverse. Saliency is the
    gradient of the loss of the network in training, which must be an
    ``AlignMixClassifier``.

    Args:
        alpha (float): Target shares of the images of a part are drawn from
            :math:`Dirichlet(\alpha, ..., \alpha)`. Defaults to 2.0.
        part_size (int): Images in a part; the remaining images form a
            smaller one. Defaults to 20.
        blocks (int): Blocks along each side of an image. Defaults to 4.
        beta (float): Weight of smooth labellings. Defaults to 0.32.
        gamma (float): Weight of diversity. Defaults to 1.0.
        eta (float): Weight of the target shares. Defaults to 0.05.
        omega (float): Weight of the distance between salient regions in the
            compatibility of images. Defaults to 0.001.
        tau (float): Share of the blocks of an image up to which compatible
            images cost nothing. Defaults to 0.83.
        niter (int): Sweeps over the mixed images. Defaults to 4.
        window (int): Side of the salient regions in pixels. Defaults to 8.
        clean_lam (float): Weight of the loss of the unmixed images, which
            gives the saliency; above 0 it is trained too. Defaults to 1.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, alpha: float = 2.0, part_size: int = 20,
                 blocks: int = 4, beta: float = .32, gamma: float = 1.,
                 eta: float = .05, omega: float = .001, tau: float = .83,
                 niter: int = 4, window: int = 8,
                 clean_lam: float = 1.) -> None:
        self.alpha = check_alpha(alpha)
        counts = part_size, blocks, niter, window
        if not all(isinstance(count, Integral) for count in counts) or (
                min(counts) < 1 or clean_lam < 0):
            raise ValueError(
                'Expected `part_size`, `blocks`, `niter` and `window` to be '
                'integers >= 1 and `clean_lam` >= 0, but got '
                f'{", ".join(map(str, counts))} and {clean_lam}.')
        self.part_size, self.blocks, self.window = part_size, blocks, window
        self.eta, self.omega, self.clean_lam = eta, omega, clean_lam
        self.sweeps = dict(beta=beta, gamma=gamma, tau=tau, niter=niter)

    def plan(self, images: Tensor, scores: Tensor,
             draws: Draws) -> PendingPlan:
        """Draw everything except the labelling, and ask for the gradient.

        Args:
            images (Tensor): ``(B, C, S, S)``, floating point.
            scores (Tensor): ``(B, num_classes)``, float32.
            draws (Draws): Generators.

        Returns:
            PendingPlan: The plan.

        Raises:
            ValueError: If the grid does not fit the images.
        """
        self._check_size(images)
        parts = self._draw(images, draws)
        return PendingPlan(
            'comixup', images, clean_weight=self.clean_lam,
            complete=lambda gradient: self._complete(images, parts, gradient))

    def _draw(self, images: Tensor, draws: Draws) -> list[_Parts]:
        full, left = divmod(len(images), self.part_size)
        shapes = [(full, self.part_size), (1, left)]
        parts, first = [], 0
        for count, size in shapes:
            if count * size == 0:
                continue
            prior = torch.from_numpy(draws.own.dirichlet(
                [self.alpha] * size, count)).float()
            init = torch.from_numpy(draws.own.integers(
                size, size=(count, size, self.blocks, self.blocks)))
            parts.append(_Parts(first, prior.to(images.device),
                                init.to(images.device)))
            first += count * size
        return parts

    def _complete(self, images: Tensor, parts: list[_Parts],
                  gradient: Tensor) -> MixPlan:
        saliency = saliency_of(gradient)
        mixed, parents, weights = [], [], []
        for part, z in zip(parts, self._assign(saliency, parts)):
            size = z.shape[-1]
            # labels are mixed by the weights below
            none = z.new_ones(*z.shape[:2], 1)
            mixed.append(comixup_mix(part.take(images), none, z)[0].flatten(
                0, 1))
            own = torch.arange(len(images), device=images.device)
            parents.append(_pad(part.take(own).repeat_interleave(size, 0),
                                self.part_size))
            weights.append(_pad(z.mean((2, 3)).flatten(0, 1).float(),
                                self.part_size))
        together = torch.cat(mixed)
        return MixPlan('comixup', pixels=lambda _: together,
                       labels=WeightedSum(torch.cat(parents),
                                          torch.cat(weights)))

    def _assign(self, saliency: Tensor, parts: list[_Parts]) -> list[Tensor]:
        """The labellings ``(P, K, n, n, K)``, found for all parts at once."""
        problems = []
        for part in parts:
            own, size = part.take(saliency), part.prior.shape[1]
            costs = comixup_costs(own, part.prior, self.blocks, self.eta)
            apart = comixup_compatibility(own, self.omega, self.window)
            more = parts[0].prior.shape[1] - size  # the first are largest
            problems.append((
                F.pad(costs, (0, 0, 0, 0, 0, more)),
                F.pad(apart, (0, more, 0, more)),
                F.pad(part.init, (0, 0, 0, 0, 0, more)),
                part.init.new_full((len(costs), ), size)))
        *problem, sizes = map(torch.cat, zip(*problems))
        together = comixup_assign(*problem, sizes=sizes, **self.sweeps)
        found = together.split([len(part.prior) for part in parts])
        return [z[:, :part.prior.shape[1], ..., :part.prior.shape[1]]
                for z, part in zip(found, parts)]

    def _check_size(self, images: Tensor) -> None:
        height, width = images.shape[2:]
        if height == width >= self.window and height % self.blocks == 0:
            return
        longer = max(height, width, self.window)
        above = longer + -longer % self.blocks
        valid = [side for side in (above - self.blocks, above)
                 if side >= self.window]
        raise ValueError(
            f'Expected square images of at least window={self.window} pixels '
            f'whose side is a multiple of blocks={self.blocks}, but got '
            f'{height}x{width}. Valid sides nearby: '
            f'{" or ".join(map(str, valid))}.')


def _pad(x: Tensor, width: int) -> Tensor:
    """Append columns of 0: samples without weight."""
    return F.pad(x, (0, width - x.shape[1]))
