"""Data sets and transforms that MMPretrain lacks."""
from .class_folders import ClassFolders
from .digits import Digits
from .lighting import FloatLighting
from .loading import LoadCheckedImage
from .localization import CUBWithBoxes, WSOLMetadata
from .ood import NoiseImages, OODTestSets
from .tiny_imagenet import TinyImageNet

__all__ = ['CUBWithBoxes', 'ClassFolders', 'Digits', 'FloatLighting',
           'LoadCheckedImage', 'NoiseImages', 'OODTestSets', 'TinyImageNet',
           'WSOLMetadata']
