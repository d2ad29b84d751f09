"""Rivals in localization: attention is erased. No relation to mixing."""
from .acol import ACoLHead
from .adl import ADL, attach_adl
from .erasing import attention_dropout, erase_attended, normalize_maps

__all__ = [
    'ACoLHead', 'ADL', 'attach_adl', 'attention_dropout', 'erase_attended',
    'normalize_maps'
]
