"""Data sets and transforms that MMPretrain lacks."""
from .digits import Digits
from .loading import LoadCheckedImage
from .localization import CUBWithBoxes, WSOLMetadata
from .ood import NoiseImages, OODTestSets
from .tiny_imagenet import TinyImageNet

__all__ = ['CUBWithBoxes', 'Digits', 'LoadCheckedImage', 'NoiseImages',
           'OODTestSets', 'TinyImageNet', 'WSOLMetadata']
