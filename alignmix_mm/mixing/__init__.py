"""What is mixed with what: the plan, and the augmentation that draws it."""
from .augment import AlignMix
from .plan import MODES, MixBatch, MixPlan

__all__ = ['MODES', 'AlignMix', 'MixBatch', 'MixPlan']
