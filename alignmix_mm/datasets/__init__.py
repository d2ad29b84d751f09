"""Data sets that MMPretrain lacks."""
from .digits import Digits
from .localization import CUBWithBoxes, WSOLMetadata
from .ood import NoiseImages, OODTestSets

__all__ = ['CUBWithBoxes', 'Digits', 'NoiseImages', 'OODTestSets',
           'WSOLMetadata']
