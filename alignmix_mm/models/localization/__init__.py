"""Where a classifier looks: maps, and methods that erase attention."""
from .acol import ACoLHead
from .adl import ADL, attach_adl
from .cam import ActivationMaps, CAMClassifier
from .erasing import attention_dropout, erase_attended, normalize_maps

__all__ = [
    'ACoLHead', 'ADL', 'ActivationMaps', 'CAMClassifier', 'attach_adl',
    'attention_dropout', 'erase_attended', 'normalize_maps'
]
