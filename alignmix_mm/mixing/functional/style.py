"""Content and style mixed separately: StyleMix and StyleCutMix.

Hong et al., *StyleMix: Separating Content and Style for Enhanced Data
Augmentation* (2021).
"""
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ._batched import PerSample, check_alike, per_sample
from .boxes import inside
from .channel_moments import Moments, moments, restyle

Network = Callable[[Tensor], Tensor]
Size = int | tuple[int, int] | None


def style_mix_range(rc: PerSample, rs: PerSample
                    ) -> tuple[PerSample, PerSample]:
    """Range of t, the share with both the own content and the own style.

    Args:
        rc (float | Tensor): Share of the own content, a float or ``(B, )``.
        rs (float | Tensor): Share of the own style, a float or ``(B, )``.

    Returns:
        tuple: ``max(0, rc + rs - 1)`` and ``min(rc, rs)``; floats, or
        tensors if one was given.
    """
    # if one is 1, rounding can put rc + rs - 1 above the other
    if not isinstance(rc, Tensor) and not isinstance(rs, Tensor):
        high = min(rc, rs)
        return min(max(0., rc + rs - 1), high), high
    first, second = (rc, rs) if isinstance(rc, Tensor) else (rs, rc)
    high = first.clamp(max=second)
    return (rc + rs - 1).clamp(min=0).minimum(high), high


def style_mix_features(features: Tensor, partner: Tensor, rc: PerSample,
                       rs: PerSample, t: PerSample) -> Tensor:
    r"""Mix content and style of features.

    .. math::
        t f_1 + (1 - r_c - r_s + t) f_2 + (r_c - t) AdaIN(f_1, f_2)
        + (r_s - t) AdaIN(f_2, f_1)

    Args:
        features (Tensor): Own features :math:`f_1`, ``(B, C, H, W)``,
            floating point.
        partner (Tensor): The partner's features :math:`f_2`, likewise.
        rc (float | Tensor): Share of the own content, a float or ``(B, )``.
        rs (float | Tensor): Share of the own style, a float or ``(B, )``.
        t (float | Tensor): Share of both, or ``(B, )``; see
            ``style_mix_range``.

    Returns:
        Tensor: ``(B, C, H, W)``, in the dtype of ``features``.

    Raises:
        ValueError: If shapes do not match, or there is only one position.
    """
    check_alike(features=features, partner=partner)
    return _mix_features((features, partner),
                         (moments(features), moments(partner)), rc, rs, t)


def soft_label_weight(content: PerSample, style: PerSample,
                      ratio: float = .7) -> PerSample:
    """Weight of the own label.

    Args:
        content (float | Tensor): Share of the own content, a float or
            ``(B, )``.
        style (float | Tensor): Share of the own style, a float or ``(B, )``.
        ratio (float): Weight of the content, in [0, 1]. Defaults to 0.7.

    Returns:
        float | Tensor: ``ratio * content + (1 - ratio) * style``.
    """
    return ratio * content + (1 - ratio) * style


def style_cut_mix(images: Tensor, partner: Tensor, stylized: Tensor,
                  partner_stylized: Tensor, rs: PerSample, gamma: PerSample,
                  box: Tensor) -> Tensor:
    r"""Own content inside a box, the partner's outside, both restyled.

    With :math:`g_{12} = \gamma x_1 + (1 - \gamma) x_1^{style 2}` and
    :math:`g_{21}` likewise, pixels are :math:`r_s x_1 + (1 - r_s) g_{12}`
    inside and :math:`(1 - r_s) x_2 + r_s g_{21}` outside. The share of the
    own content is the area of the box, :math:`\lambda`; the share of the own
    style is :math:`\gamma \lambda + (1 - \gamma) r_s`.

    Args:
        images (Tensor): Own images :math:`x_1`, ``(B, C, H, W)``, floating
            point.
        partner (Tensor): Their partners :math:`x_2`, likewise.
        stylized (Tensor): Own images in the style of the partners, likewise.
        partner_stylized (Tensor): Partners in the style of the own images,
            likewise.
        rs (float | Tensor): Share of the own style, a float or ``(B, )``.
        gamma (float | Tensor): Weight of the images before restyling, or
            ``(B, )``; 1 is CutMix.
        box (Tensor): ``(4, )`` or ``(B, 4)``, int64, see ``box_around``.

    Returns:
        Tensor: ``(B, C, H, W)``, in the dtype of ``images``.

    Raises:
        ValueError: If shapes do not match.
    """
    check_alike(images=images, partner=partner, stylized=stylized,
                partner_stylized=partner_stylized)
    rs, gamma = (per_sample(name, value, images)
                 for name, value in (('rs', rs), ('gamma', gamma)))
    own = gamma * images + (1 - gamma) * stylized
    other = gamma * partner + (1 - gamma) * partner_stylized
    return torch.where(inside(box, images), rs * images + (1 - rs) * own,
                       (1 - rs) * partner + rs * other)


def style_mix_images(images: Tensor, perm: Tensor, rc: PerSample,
                     rs: PerSample, t: PerSample, encoder: Network,
                     decoder: Network, size: Size = 224) -> Tensor:
    """Mix content and style of images: encode once, mix, decode.

    Args:
        images (Tensor): Images, ``(B, 3, H, W)``, floating point.
        perm (Tensor): Image i is mixed with image perm[i], ``(B, )``, int64.
        rc (float | Tensor): Share of the own content, a float or ``(B, )``.
        rs (float | Tensor): Share of the own style, a float or ``(B, )``.
        t (float | Tensor): Share of both, a float or ``(B, )``.
        encoder (Callable): Maps images to features.
        decoder (Callable): Maps features to images.
        size (int | tuple[int, int], optional): Height and width, in pixels,
            of the images that the encoder gets. With None, neither the images
            nor the output of the decoder are resized. Defaults to 224.

    Returns:
        Tensor: Mixed images, ``(B, 3, H, W)``, in the dtype of ``images``.

    Raises:
        ValueError: If shapes do not match, or the decoder returns another
            size.
    """
    resized = _resize(images, size)
    features = encoder(resized)
    own = moments(features)
    mixed = decoder(_mix_features((features, features[perm]),
                                  (own, _permuted(own, perm)), rc, rs, t))
    _check_decoded(mixed, resized)
    return _resize_back(mixed, images, size)


def _check_decoded(decoded: Tensor, resized: Tensor) -> None:
    if decoded.shape[-2:] != resized.shape[-2:]:
        raise ValueError(
            f'The decoder turned {tuple(resized.shape[-2:])} pixels into '
            f'{tuple(decoded.shape[-2:])}. Choose a `size` that is a '
            'multiple of 8.')


def style_cut_mix_images(images: Tensor, perm: Tensor, rs: PerSample,
                         gamma: PerSample, box: Tensor, encoder: Network,
                         decoder: Network, size: Size = 224) -> Tensor:
    """Restyle and cut images: encode once, exchange styles, decode, cut.

    Args:
        images (Tensor): Images, ``(B, 3, H, W)``, floating point.
        perm (Tensor): Image i is mixed with image perm[i], ``(B, )``, int64.
        rs (float | Tensor): Share of the own style, a float or ``(B, )``.
        gamma (float | Tensor): Weight of the images before restyling, or
            ``(B, )``.
        box (Tensor): Where the own content stays, ``(4, )`` or ``(B, 4)``,
            int64, in pixels of the *resized* images: as in the official
            code, these are cut, and the result is resized back.
        encoder (Callable): Maps images to features.
        decoder (Callable): Maps features to images of the size that the
            encoder got.
        size (int | tuple[int, int], optional): Height and width, in pixels,
            of the images that the encoder gets and the box cuts. With None,
            images are not resized. Defaults to 224.

    Returns:
        Tensor: Mixed images, ``(B, 3, H, W)``, in the dtype of ``images``.

    Raises:
        ValueError: If shapes do not match, or the decoder returns another
            size.
    """
    resized = _resize(images, size)
    features = encoder(resized)
    own = moments(features)
    other = _permuted(own, perm)
    stylized = decoder(restyle(features, own, other))
    partner_stylized = decoder(restyle(features[perm], other, own))
    _check_decoded(stylized, resized)
    mixed = style_cut_mix(resized, resized[perm], stylized.to(resized),
                          partner_stylized.to(resized), rs, gamma, box)
    return _resize_back(mixed, images, size)


def _mix_features(features: tuple[Tensor, Tensor],
                  statistics: tuple[Moments, Moments], rc: PerSample,
                  rs: PerSample, t: PerSample) -> Tensor:
    """Mix own features and the partner's, whose moments are known."""
    (own, partner), (of_own, of_partner) = features, statistics
    rc, rs, t = (per_sample(name, value, own)
                 for name, value in (('rc', rc), ('rs', rs), ('t', t)))
    return (t * own + (1 - rc - rs + t) * partner
            + (rc - t) * restyle(own, of_own, of_partner)
            + (rs - t) * restyle(partner, of_partner, of_own))


def _permuted(statistics: Moments, perm: Tensor) -> Moments:
    mean, std = statistics
    return mean[perm], std[perm]


def _resize(images: Tensor, size: Size) -> Tensor:
    if size is None:
        return images
    return F.interpolate(images, size, mode='bilinear', align_corners=False)


def _resize_back(mixed: Tensor, images: Tensor, size: Size) -> Tensor:
    size = None if size is None else tuple(images.shape[-2:])
    return _resize(mixed.to(images.dtype), size)
