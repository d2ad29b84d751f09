"""What is mixed with what in one training step."""
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor

MODES = ('input', 'embed', 'feat', 'feat_swap', 'clean')
FEATURE_MODES = ('feat', 'feat_swap')


@dataclass(frozen=True, eq=False)
class MixPlan:
    r"""The random choices of one step, Algorithm 1, lines 1, 2 and 9.

    Attributes:
        mode (str): Where pairs are mixed: ``'input'``, ``'embed'``,
            ``'feat'`` (eq. 12), ``'feat_swap'`` (eq. 13, the paper's feat'),
            or ``'clean'`` (nowhere).
        lam (Tensor): Weight :math:`\lambda` of the anchor, ``(B, )`` or
            ``()``, float32.
        perm (Tensor): The permutation :math:`\pi`, ``(B, )``, int64. Sample
            ``i`` is paired with sample ``perm[i]``.
        place (float): A uniform number in [0, 1). A model that can mix
            feature maps at several places chooses one by it. Defaults to
            0, which is the first.
    """

    mode: str
    lam: Tensor
    perm: Tensor
    place: float = 0.0

    @property
    def mixes_features(self) -> bool:
        """Whether feature maps are mixed, aligned or not."""
        return self.mode in FEATURE_MODES

    @property
    def swaps(self) -> bool:
        """Whether anchor and partner change place, eq. (13)."""
        return self.mode == 'feat_swap'

    def pair(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Anchor and partner of every sample.

        The anchor keeps its geometry and has the weight ``lam``. For
        ``'feat_swap'`` the two change place (Algorithm 1, line 17).

        Args:
            x (Tensor): ``(B, ...)``.

        Returns:
            tuple[Tensor, Tensor]: Two tensors like ``x``.
        """
        self.check_batch(x)
        paired = x[self.perm]
        return (paired, x) if self.swaps else (x, paired)

    def check_batch(self, x: Tensor) -> None:
        """Raise if the plan was drawn for another number of samples.

        Args:
            x (Tensor): ``(B, ...)``.
        """
        if len(x) != len(self.perm):
            raise ValueError(f'Expected a batch of {len(self.perm)} samples, '
                             f'for which the plan was drawn, got {len(x)}.')

    def mix(self, x: Tensor) -> Tensor:
        r"""Interpolate the pairs, eq. (1).

        :math:`\lambda\,\mathrm{anchor} + (1 - \lambda)\,\mathrm{partner}`,
        for images, embeddings and labels alike.

        Args:
            x (Tensor): ``(B, ...)``, floating point.

        Returns:
            Tensor: ``(B, ...)`` in the dtype of ``x``.
        """
        return self.interpolate(*self.pair(x))

    def interpolate(self, anchor: Tensor, partner: Tensor) -> Tensor:
        """Interpolate given pairs, e.g. of an aligned partner.

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


@dataclass(frozen=True, eq=False)
class MixBatch:
    """Images together with the plan by which a model has to mix them.

    It takes the place of the image tensor between the data preprocessor and
    the classifier, so the plan needs no other way to the layers that execute
    it. A layer that gets a whole ``MixBatch`` raises: nobody executed the
    plan.

    Attributes:
        images (Tensor): ``(B, 3, H, W)``, mixed already if the mode is
            ``'input'``.
        plan (MixPlan): The plan.
    """

    images: Tensor
    plan: MixPlan

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
        f'`{user}` received a MixBatch, i.e. images that still carry an '
        'AlignMix plan: labels would be mixed and features not. The model has '
        "to execute the plan: in the config set model.type to "
        "'AlignMixClassifier' (or 'alignmix_mm.AlignMixClassifier') instead "
        "of 'ImageClassifier'.")
