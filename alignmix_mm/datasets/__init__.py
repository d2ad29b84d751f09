"""Data sets that MMPretrain lacks."""
from .digits import Digits
from .ood import NoiseImages, OODTestSets

__all__ = ['Digits', 'NoiseImages', 'OODTestSets']
