"""What is mixed with what: methods and the plans that they draw."""
from .. import _lazy

_EXPORTS = _lazy.exports(
    aligned=('AlignedPairs', ),
    alignmix=('MODES', 'AlignMix', 'alignmix_plan'),
    comixup=('CoMixup', ),
    draws=('Draws', ),
    manifold=('ManifoldMix', ),
    method=('MixMethod', ),
    mixture=('Alignment', 'Mixture', 'WeightedSum'),
    pairs=('Pairs', 'draw_pairs'),
    plan=('MixBatch', 'MixPlan', 'PendingPlan'),
    puzzlemix=('PuzzleMix', ),
    saliencymix=('SaliencyMix', ),
    style_networks=('StyleDecoder', 'StyleEncoder', 'load_style_networks'),
    stylemix=('StyleCutMix', 'StyleMix'))

__all__ = sorted(_EXPORTS)
__getattr__ = _lazy.loader(__name__, _EXPORTS)
