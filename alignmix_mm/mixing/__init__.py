"""What is mixed with what: the plan, and the augmentation that draws it."""
from .. import _lazy

_EXPORTS = _lazy.exports(
    augment=('AlignMix', ), plan=('MODES', 'MixBatch', 'MixPlan'),
    saliencymix=('SaliencyMix', ),
    style_networks=('StyleDecoder', 'StyleEncoder', 'load_style_networks'),
    stylemix=('StyleCutMix', 'StyleMix'))

__all__ = sorted(_EXPORTS)
__getattr__ = _lazy.loader(__name__, _EXPORTS)
