"""Embeddings that are distributions: AlignMix/VAE."""
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmpretrain.registry import MODELS
from torch import Tensor

from .embeddings import Embedding

# standard deviations from e^-15 to e^10: float32 can hold their squares
LOG_VAR_RANGE = (-30., 20.)


class Gaussian(NamedTuple):
    """A normal distribution for each image, with independent dimensions.

    Attributes:
        mean (Tensor): Means, ``(N, d)``, floating point.
        std (Tensor): Standard deviations, ``(N, d)``, float32.
        sample (Tensor): Input of head and decoder, ``(N, d)``: a sample in
            training, the mean in evaluation. It comes last, where heads look
            for an embedding.
    """

    mean: Tensor
    std: Tensor
    sample: Tensor

    def kl_divergence(self) -> Tensor:
        r"""Divergence from the standard normal distribution.

        :math:`-\frac{1}{2}\sum_d (1 + \log\sigma_d^2 - \mu_d^2 -
        \sigma_d^2)`, appendix B of Kingma and Welling (2014).

        Returns:
            Tensor: Divergences in nats, ``(N, )``, float32.
        """
        mean, var = self.mean.float(), self.std.float().square()
        return 0.5 * (mean.square() + var - 1 - var.log()).sum(1)


@MODELS.register_module()
class GaussianEmbedding(Embedding):
    """A normal distribution instead of an embedding: AlignMix/VAE.

    Two encoders of the same kind give the mean and the logarithm of the
    variance: vectors mu and sigma, or tensors M and Sigma (appendix C.1).
    Mode ``'embed'`` mixes means and standard deviations with the same
    weights; tensors are both aligned by the plan of M. Classifier and decoder
    get a sample of the mixed distribution in training, and its mean in
    evaluation.

    Args:
        embed (dict): Config of each encoder, e.g.
            ``dict(type='LinearEmbedding', ...)`` or
            ``dict(type='ConvEmbedding', ...)``.
        init_cfg (dict | list, optional): Initialization config. Defaults to
            None: those of the encoders.

    Raises:
        TypeError: If ``embed`` is not an :class:`Embedding` of one part.
    """

    def __init__(self,
                 embed: dict,
                 init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.mean = MODELS.build(embed)
        self.log_var = MODELS.build(embed)
        if not isinstance(self.mean, Embedding) or isinstance(
                self.mean, GaussianEmbedding):
            raise TypeError(
                'Expected `embed` to be LinearEmbedding or ConvEmbedding, '
                f'but got {type(self.mean).__name__}.')

    def encode(self, feats: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Compute the parameters.

        Args:
            feats (Tensor | Sequence[Tensor]): Maps ``(N, C, H, W)``,
                floating point.

        Returns:
            tuple[Tensor]: Means, and standard deviations in float32, both
            ``(N, d)`` or ``(N, c, h, w)``.
        """
        mean, = self.mean.encode(feats)
        log_var, = self.log_var.encode(feats)
        # half precision has no e^-15
        std = (log_var.float().clamp(*LOG_VAR_RANGE) / 2).exp()
        return mean, std

    def finish(self, parts: tuple[Tensor, ...]) -> Gaussian:
        """Flatten the parameters, and sample in training.

        Args:
            parts (tuple[Tensor]): Means and standard deviations, as
                :meth:`encode` returns them.

        Returns:
            Gaussian: The distributions.
        """
        mean, std = (part.flatten(1) for part in parts)
        if not self.training:
            return Gaussian(mean, std, mean)
        return Gaussian(mean, std, mean + std * torch.randn_like(std))
