"""Mixing as pure functions: tensors in, new tensors out, draws given."""
from ... import _lazy

_EXPORTS = _lazy.exports(
    boxes=('box_around', 'box_share', 'paste_box', 'saliency_box'),
    channel_moments=('adain', ),
    saliency=('denormalize', 'fine_grained_saliency'),
    style=('soft_label_weight', 'style_cut_mix', 'style_cut_mix_images',
           'style_mix_features', 'style_mix_images', 'style_mix_range'),
    style_classes=('style_distances', 'style_gamma', 'style_statistics'))

__all__ = sorted(_EXPORTS)
__getattr__ = _lazy.loader(__name__, _EXPORTS)
