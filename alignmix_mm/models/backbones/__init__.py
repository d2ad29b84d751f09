"""Backbones that MMPretrain lacks."""
from .preact_resnet_cifar import PreActResNet_CIFAR
from .vgg_acol import VGGACoL
from .vgg_gap import VGGGAP
from .wide_resnet_cifar import WideResNet_CIFAR

__all__ = ['PreActResNet_CIFAR', 'VGGACoL', 'VGGGAP', 'WideResNet_CIFAR']
