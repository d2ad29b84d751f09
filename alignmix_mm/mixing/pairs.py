"""Pairs of samples: what most methods mix."""
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .mixture import Mixture


@dataclass(frozen=True, eq=False)
class Pairs(Mixture):
    r"""Pairs of samples, eq. (1), with a permutation.

    Attributes:
        lam (Tensor): Weight :math:`\lambda` of the anchor, ``(B, )`` or
            ``()``, float32.
        perm (Tensor): The permutation :math:`\pi`, ``(B, )``, int64. Sample
            ``i`` is paired with sample ``perm[i]``.
        swap (bool): Whether the paired sample is the anchor (Algorithm 1,
            line 17). Defaults to False.
    """

    lam: Tensor
    perm: Tensor
    swap: bool = False

    def shares(self) -> tuple[Tensor, Tensor]:
        """Anchors and partners, int64, and weights; ``(B, 2)`` each."""
        own = torch.arange(len(self.perm), device=self.perm.device)
        lam = self.lam.expand(len(self.perm))
        return (torch.stack(self.split(own), 1),
                torch.stack([lam, 1 - lam], 1))

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Anchor and partner of every pair.

        Args:
            x (Tensor): ``(B, ...)``, any dtype.

        Returns:
            tuple[Tensor, Tensor]: Two tensors like ``x``. The anchor keeps
            its geometry and has the weight ``lam``.

        Raises:
            ValueError: If the pairs were drawn for a different batch size.
        """
        self.check_batch(x)
        paired = x[self.perm]
        return (paired, x) if self.swap else (x, paired)

    def check_batch(self, x: Tensor) -> None:
        """Raise if the pairs were drawn for a different number of samples.

        Args:
            x (Tensor): ``(B, ...)``, any dtype.

        Raises:
            ValueError: If they were.
        """
        if len(x) != len(self.perm):
            raise ValueError(f'Expected a batch of {len(self.perm)} samples, '
                             'for which the plan was drawn, but got '
                             f'{len(x)}.')

    def __call__(self, x: Tensor) -> Tensor:
        r"""Interpolate: :math:`\lambda` anchor + :math:`(1-\lambda)` partner.

        Args:
            x (Tensor): ``(B, ...)``, floating point.

        Returns:
            Tensor: ``(B, ...)`` in the dtype of ``x``.
        """
        return self.interpolate(*self.split(x))

    def interpolate(self, anchor: Tensor, partner: Tensor) -> Tensor:
        """Interpolate given pairs, e.g. with an aligned partner.

        Args:
            anchor (Tensor): ``(B, ...)``, floating point, weight ``lam``.
            partner (Tensor): ``(B, ...)``, like the anchor.

        Returns:
            Tensor: ``(B, ...)`` in the dtype of the anchor.
        """
        dtype = torch.promote_types(anchor.dtype, self.lam.dtype)
        lam = self.lam.to(dtype)
        if lam.ndim:
            lam = lam.view(-1, *[1] * (anchor.ndim - 1))
        return torch.lerp(partner.to(dtype), anchor.to(dtype),
                          lam).to(anchor.dtype)


def draw_pairs(generator: np.random.Generator, alpha: float, x: Tensor,
               per_batch: bool = False) -> Pairs:
    r"""Draw pairs of a batch, and :math:`\lambda \sim Beta(\alpha, \alpha)`.

    Args:
        generator (Generator): It draws on the CPU, so a seed gives the same
            pairs on every device.
        alpha (float): :math:`\alpha`.
        x (Tensor): The batch, ``(B, ...)``, any dtype.
        per_batch (bool): Whether all pairs share one :math:`\lambda`.
            Defaults to False.

    Returns:
        Pairs: ``lam`` is ``(B, )``, or ``()`` if it is shared, float32.
    """
    lam = np.float32(
        generator.beta(alpha, alpha, None if per_batch else len(x)))
    perm = generator.permutation(len(x))
    return Pairs(torch.as_tensor(lam).to(x.device, non_blocking=True),
                 torch.from_numpy(perm).to(x.device, non_blocking=True))
