"""Data sets that MMPretrain lacks."""
from .digits import Digits
from .localization import CUBWithBoxes, WSOLMetadata
from .ood import NoiseImages, OODTestSets
from .tiny_imagenet import TinyImageNet

__all__ = ['CUBWithBoxes', 'Digits', 'NoiseImages', 'OODTestSets',
           'TinyImageNet', 'WSOLMetadata']
