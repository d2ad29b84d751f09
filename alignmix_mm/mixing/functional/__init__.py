"""Mixing methods as pure functions: tensors in, new tensors out."""
from ... import _lazy

_EXPORTS = _lazy.exports(
    boxes=('box_around', 'box_share', 'paste_box', 'saliency_box'),
    channel_moments=('adain', ),
    comixup=('comixup_compatibility', 'comixup_costs', 'comixup_mix',
             'comixup_objective', 'comixup_penalty'),
    comixup_solver=('comixup_relabel', ),
    comixup_sweeps=('comixup_assign', ),
    puzzle_solver=('puzzle_masks', ),
    puzzle_terms=('puzzle_costs', 'puzzle_energy'),
    puzzle_transport=('puzzle_mix', 'puzzle_plan'),
    saliency=('denormalize', 'fine_grained_saliency'),
    style=('soft_label_weight', 'style_cut_mix', 'style_cut_mix_images',
           'style_mix_features', 'style_mix_images', 'style_mix_range'),
    style_classes=('style_distances', 'style_gamma', 'style_statistics'))

__all__ = sorted(_EXPORTS)
__getattr__ = _lazy.loader(__name__, _EXPORTS)
