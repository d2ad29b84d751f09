"""Backbones that MMPretrain lacks."""
from .preact_resnet_cifar import PreActResNet_CIFAR
from .vgg_gap import VGGGAP

__all__ = ['PreActResNet_CIFAR', 'VGGGAP']
