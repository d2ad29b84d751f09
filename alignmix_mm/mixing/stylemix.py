"""StyleMix and StyleCutMix: mix content and style of images separately."""
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from mmpretrain.registry import BATCH_AUGMENTS
from numpy.typing import ArrayLike
from torch import Tensor

from .draws import Draws
from .functional import (
    box_around,
    box_share,
    soft_label_weight,
    style_cut_mix_images,
    style_gamma,
    style_mix_images,
    style_mix_range,
)
from .method import MixMethod, check_alpha
from .pairs import Pairs
from .plan import MixPlan
from .style_networks import StyleTransfer, read_distances

Network = str | Path | Callable[[Tensor], Tensor]


class StyleMixDraw(NamedTuple):
    """The draws of StyleMix for a batch, see ``style_mix_images``."""

    perm: Tensor
    rc: float
    rs: float
    t: float


class StyleCutMixDraw(NamedTuple):
    """The draws of StyleCutMix for a batch, see ``style_cut_mix_images``.

    ``gamma`` is not used if it follows from distances of classes.
    """

    perm: Tensor
    rs: float
    gamma: float
    box: Tensor


@BATCH_AUGMENTS.register_module()
class StyleMix(MixMethod):
    r"""Mix content and style of encoded images separately, and decode them.

    The batch augmentation of `StyleMix: Separating Content and Style for
    Enhanced Data Augmentation (CVPR 2021)
    <https://github.com/alsdml/StyleMix>`_. It needs two files of weights,
    see ``load_style_networks``. They are read at the first batch, so a model
    can be tested without them.

    Args:
        encoder (str | Path | Callable): The file ``vgg_normalised.pth``, or
            a function that maps images to features.
        decoder (str | Path | Callable): The file ``decoder.pth``, or a
            function that maps features to images.
        alpha (float): Shares of content and style are drawn from
            :math:`Beta(\alpha, \alpha)`. Defaults to 0.5.
        ratio (float): Weight of the content in the label, in [0, 1].
            Defaults to 0.7.
        size (int, optional): Height and width, in pixels, of the images that
            the networks get: a multiple of 8, at least 16. None keeps the
            size of the images. Defaults to 224.
        mean (Sequence[float], optional): Mean of the data preprocessor, in
            units of the pixels (0 to 255). With it, the encoder gets images
            in [0, 1], for which it was trained. Defaults to None: it gets
            normalized images, as in the official code.
        std (Sequence[float], optional): The standard deviation, likewise.

    Raises:
        ValueError: If an argument is out of range.
    """

    needs_model = False
    tag = 'stylemix'

    def __init__(self, encoder: Network, decoder: Network,
                 alpha: float = 0.5, ratio: float = 0.7,
                 size: int | None = 224,
                 mean: Sequence[float] | None = None,
                 std: Sequence[float] | None = None) -> None:
        self.alpha = check_alpha(alpha)
        if not 0 <= ratio <= 1:
            raise ValueError(f'Expected `ratio` from 0 to 1, but got {ratio}.')
        if size is not None and (size < 16 or size % 8):
            raise ValueError('Expected `size` to be a multiple of 8, at least '
                             f'16, but got {size}.')
        self.ratio = float(ratio)
        self.size = size
        self.networks = StyleTransfer(encoder, decoder, mean, std)

    @torch.no_grad()
    def plan(self, images: Tensor, scores: Tensor, draws: Draws) -> MixPlan:
        """Draw and mix; the networks are read at the first batch.

        Args:
            images (Tensor): ``(B, 3, H, W)``, floating point.
            scores (Tensor): ``(B, num_classes)``, float32.
            draws (Draws): Generators.

        Returns:
            MixPlan: The plan.

        Raises:
            FileNotFoundError: If a file is missing. It says where to get it.
            ValueError: If a file holds something else, or images do not fit
                the networks.
        """
        drawn = self.choose(len(images), tuple(images.shape[-2:]), draws)
        drawn = drawn._replace(
            perm=drawn.perm.to(images.device, non_blocking=True))
        mixed, own = self.mix(images, scores, drawn)
        # the networks are channels_last, the batch is not
        mixed = mixed.contiguous()
        own = torch.as_tensor(own, dtype=torch.float32, device=images.device)
        return MixPlan(self.tag, labels=Pairs(own, drawn.perm),
                       pixels=lambda _: mixed)

    def choose(self, batch_size: int, image_size: tuple[int, int],
               draws: Draws) -> StyleMixDraw:
        """Draw what :meth:`mix` needs.

        Args:
            batch_size (int): Number of samples.
            image_size (tuple[int, int]): Height and width of the images in
                pixels.
            draws (Draws): Generators.

        Returns:
            StyleMixDraw: The draws, on the CPU.
        """
        own = draws.own
        rc, rs = own.beta(self.alpha, self.alpha, 2).tolist()
        return StyleMixDraw(
            torch.from_numpy(own.permutation(batch_size)), rc, rs,
            own.uniform(*style_mix_range(rc, rs)))

    def mix(self, images: Tensor, scores: Tensor,
            draw: StyleMixDraw) -> tuple[Tensor, Tensor | float]:
        """Mix images.

        Args:
            images (Tensor): ``(N, 3, H, W)``, floating point.
            scores (Tensor): Labels, ``(N, num_classes)``, float32.
            draw (StyleMixDraw): The draws.

        Returns:
            tuple: Mixed images, ``(N, 3, H, W)``, in the dtype of
            ``images``, and the weight of the own label: a float or a tensor,
            ``()`` or ``(N, )``.
        """
        mixed = style_mix_images(
            images, draw.perm, draw.rc, draw.rs, draw.t,
            *self.networks.on(images.device), self.size)
        return mixed, soft_label_weight(draw.rc, draw.rs, self.ratio)


@BATCH_AUGMENTS.register_module()
class StyleCutMix(StyleMix):
    r"""Own content inside a box, the partner's outside, both restyled.

    The second augmentation of `StyleMix: Separating Content and Style for
    Enhanced Data Augmentation (CVPR 2021)
    <https://github.com/alsdml/StyleMix>`_.

    Args:
        encoder (str | Path | Callable): See :class:`StyleMix`.
        decoder (str | Path | Callable): See :class:`StyleMix`.
        alpha (float): Share of the own style and area of the box are drawn
            from :math:`Beta(\alpha, \alpha)`. Defaults to 1.0.
        gamma_alpha (float): Without ``distances``, the weight of images
            before restyling is drawn from the beta distribution with this
            parameter. Defaults to 0.8.
        distances (str | Path | ArrayLike, optional): Distances between the
            styles of classes, ``(K, K)``, or a ``.npy`` file of them, as
            `alignmix style-distances` writes it. Pairs of similar classes
            are restyled more. Defaults to None.
        delta (float): Scale of the distances: 3 for CIFAR-100, 1 for
            CIFAR-10. Defaults to 3.0.
        **kwargs: ``ratio``, ``size``, ``mean`` and ``std``, see
            :class:`StyleMix`.

    Raises:
        ValueError: If an argument is out of range.
    """

    tag = 'stylecutmix'

    def __init__(self, encoder: Network, decoder: Network,
                 alpha: float = 1.0, gamma_alpha: float = 0.8,
                 distances: str | Path | ArrayLike | None = None,
                 delta: float = 3.0, **kwargs) -> None:
        super().__init__(encoder, decoder, alpha, **kwargs)
        self.gamma_alpha = check_alpha(gamma_alpha, 'gamma_alpha')
        self.delta = check_alpha(delta, 'delta')
        self.distances = distances
        self._distances: Tensor | None = None  # read at the first batch

    def choose(self, batch_size: int, image_size: tuple[int, int],
               draws: Draws) -> StyleCutMixDraw:
        """Draw what :meth:`mix` needs, see :meth:`StyleMix.choose`."""
        own = draws.own
        rs, share = own.beta(self.alpha, self.alpha, 2).tolist()
        size = self._size_of(image_size)
        return StyleCutMixDraw(
            torch.from_numpy(own.permutation(batch_size)), rs,
            own.beta(self.gamma_alpha, self.gamma_alpha),
            box_around(size, share, own.integers(size)))

    def mix(self, images: Tensor, scores: Tensor,
            draw: StyleCutMixDraw) -> tuple[Tensor, Tensor]:
        """Mix images, see :meth:`StyleMix.mix`."""
        gamma, box = draw.gamma, draw.box.to(images.device, non_blocking=True)
        if self.distances is not None:
            gamma = self._gamma(scores, draw.perm)
        mixed = style_cut_mix_images(
            images, draw.perm, draw.rs, gamma, box,
            *self.networks.on(images.device), self.size)
        lam = box_share(box, self._size_of(images.shape[-2:]))
        style = gamma * lam + (1 - gamma) * draw.rs
        return mixed, soft_label_weight(lam, style, self.ratio)

    def _size_of(self, image_size: tuple[int, int]) -> tuple[int, int]:
        return image_size if self.size is None else (self.size, self.size)

    def _gamma(self, scores: Tensor, perm: Tensor) -> Tensor:
        distances = self._distances
        if distances is None:
            distances = read_distances(self.distances)
        if len(distances) != scores.shape[1]:
            raise ValueError(
                f'Expected `distances` of {scores.shape[1]} classes, but got '
                f'{len(distances)}.')
        self._distances = distances.to(scores.device)
        labels = scores.argmax(1)
        return style_gamma(self._distances, labels, labels[perm], self.delta)
