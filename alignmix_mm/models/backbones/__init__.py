"""Backbones that MMPretrain lacks."""
from .preact_resnet_cifar import PreActResNet_CIFAR

__all__ = ['PreActResNet_CIFAR']
