"""AlignMix/AE and AlignMix/VAE: mixing, and reconstruction of clean images."""
import torch.nn.functional as F
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ..mixing import MixBatch
from .classifiers import AlignMixClassifier
from .gaussian import Gaussian, GaussianEmbedding
from .shapes import Features

_REDUCTIONS = ('mean', 'sum')


@MODELS.register_module()
class AlignMixAEClassifier(AlignMixClassifier):
    r"""AlignMix with a decoder, Algorithm 1.

    Batches of mode ``'clean'`` train encoder and decoder to reconstruct the
    images, :math:`\|x - D(f(F(x)))\|^2`, without the classifier. All other
    modes train the classifier as in AlignMix, without the decoder. So no step
    gives every parameter a gradient, and distributed training needs
    ``find_unused_parameters=True`` in the config.

    The classifier never gets decoded images, and evaluation does not use the
    decoder.

    With :class:`GaussianEmbedding` it is AlignMix/VAE: clean batches have a
    second loss, the divergence of the embeddings' distributions from the
    standard normal distribution.

    Args:
        *args: Arguments of :class:`AlignMixClassifier`.
        decoder (dict | nn.Module): The decoder D, e.g.
            ``dict(type='ResidualDecoder', in_channels=512)``. Its images are
            in [-1, 1].
        loss_weight (float): Weight of the reconstruction loss. Defaults to
            1.
        reduction (str): ``'mean'`` over all values, or ``'sum'`` over the
            values of an image, as the paper writes the loss, which is
            thousands of times larger. Defaults to ``'mean'``.
        kl_weight (float, optional): Weight of the divergence. Defaults to
            None: ``loss_weight``, divided by the number of values of an
            image if ``reduction`` is ``'mean'``. The two losses then have
            the ratio of Kingma and Welling (2014), up to the factor 1/2 of a
            normal likelihood.
        **kwargs: Arguments of :class:`AlignMixClassifier`. ``AlignMix`` has
            to draw ``'clean'``, e.g. ``modes=('clean', 'input', 'embed',
            'feat', 'feat_swap')``.

    Raises:
        ValueError: If an option is unknown, ``kl_weight`` is set without
            :class:`GaussianEmbedding`, or the data preprocessor does not
            normalize images, so that their range is unknown.
    """

    reconstructs = True

    def __init__(self,
                 *args,
                 decoder: dict | nn.Module,
                 loss_weight: float = 1.,
                 reduction: str = 'mean',
                 kl_weight: float | None = None,
                 **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if reduction not in _REDUCTIONS:
            raise ValueError(f'Expected `reduction` to be one of '
                             f'{list(_REDUCTIONS)}, but got {reduction!r}.')
        if not getattr(self.data_preprocessor, '_enable_normalize', False):
            raise ValueError(
                'A decoder needs to know the range of the images: expected '
                '`data_preprocessor.mean` and `std` for images from 0 to 255, '
                'but got none.')
        self.decoder = (decoder if isinstance(decoder, nn.Module) else
                        MODELS.build(decoder))
        if kl_weight is not None and not any(
                isinstance(m, GaussianEmbedding) for m in self.modules()):
            raise ValueError(
                'Expected no `kl_weight` without GaussianEmbedding, but got '
                f'{kl_weight!r}. Leave it out, or set `neck.embed` to '
                "dict(type='GaussianEmbedding', embed=...).")
        self.loss_weight = loss_weight
        self.reduction = reduction
        self.kl_weight = kl_weight

    def _check_width(self, embedding: Features) -> None:
        super()._check_width(embedding)
        width = embedding[-1].flatten(1).shape[1]
        expected = getattr(self.decoder, 'in_channels', width)
        if width != expected:  # in all modes, not when the decoder first runs
            raise ValueError(
                f'Expected embeddings with decoder.in_channels={expected} '
                f'dimensions, but got {width}. Set `decoder.in_channels` to '
                f'{width}.')

    def _losses(self, inputs: Tensor | MixBatch, embedding: Features,
                data_samples: list[DataSample]) -> dict[str, Tensor]:
        """Reconstruction of a clean batch, classification of any other."""
        if not isinstance(inputs, MixBatch) or inputs.plan.classifies:
            return super()._losses(inputs, embedding, data_samples)
        target = self.decoder_target(inputs.images)
        losses = dict(loss_reconstruction=self.reconstruction_loss(
            self.decoder(embedding[-1]), target))
        if isinstance(embedding, Gaussian):
            losses['loss_kl'] = self.kl_loss(embedding, target[0].numel())
        return losses

    def reconstruct(self, images: Tensor) -> Tensor:
        """Encode and decode images.

        Args:
            images (Tensor): Normalized images, ``(N, 3, H, W)``, floating
                point.

        Returns:
            Tensor: ``(N, 3, H, W)``, in [-1, 1].
        """
        return self.decoder(self.extract_feat(images)[-1])

    def decoder_target(self, images: Tensor) -> Tensor:
        """Bring normalized images into the range of the decoder.

        Args:
            images (Tensor): Normalized images, ``(N, 3, H, W)``, floating
                point.

        Returns:
            Tensor: The same images in [-1, 1].
        """
        preprocessor = self.data_preprocessor
        pixels = images * preprocessor.std + preprocessor.mean
        return pixels / 127.5 - 1

    def reconstruction_loss(self, decoded: Tensor, target: Tensor) -> Tensor:
        """Squared error of decoded images.

        Args:
            decoded (Tensor): ``(N, 3, H, W)``, in [-1, 1], floating point.
            target (Tensor): ``(N, 3, H, W)``, in [-1, 1], floating point.

        Returns:
            Tensor: The loss, ``()``.

        Raises:
            ValueError: If decoded images have a different size.
        """
        if decoded.shape != target.shape:
            raise ValueError(
                f'Expected the decoder to make images {tuple(target.shape)}, '
                f'like the data, but got {tuple(decoded.shape)}. Set '
                "`decoder.widths` and `decoder.start_size`: every width but "
                'the first doubles the size.')
        loss = F.mse_loss(decoded, target, reduction=self.reduction)
        if self.reduction == 'sum':
            loss = loss / len(target)
        return self.loss_weight * loss

    def kl_loss(self, embedding: Gaussian, num_values: int) -> Tensor:
        """Weighted divergence from the standard normal distribution.

        Args:
            embedding (Gaussian): ``N`` distributions.
            num_values (int): Number of values of an image, ``C * H * W``.

        Returns:
            Tensor: The loss, ``()``, float32.
        """
        weight = self.kl_weight
        if weight is None:
            weight = self.loss_weight / (
                num_values if self.reduction == 'mean' else 1)
        return weight * embedding.kl_divergence().mean()
