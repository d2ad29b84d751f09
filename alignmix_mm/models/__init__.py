"""Networks that execute mix plans, and maps of where they look."""
from .autoencoder import AlignMixAEClassifier
from .backbones import (
    VGGGAP,
    PreActResNet_CIFAR,
    VGGACoL,
    WideResNet_CIFAR,
)
from .classifiers import AlignMixClassifier
from .decoders import ResidualDecoder
from .embeddings import ConvEmbedding, LinearEmbedding
from .gaussian import GaussianEmbedding
from .localization import (
    ADL,
    ACoLHead,
    CAMClassifier,
    attention_dropout,
    erase_attended,
    normalize_maps,
)
from .losses import SoftmaxBCELoss
from .necks import AlignMixNeck, MeanOfPositions

__all__ = [
    'ACoLHead', 'ADL', 'AlignMixAEClassifier', 'AlignMixClassifier',
    'AlignMixNeck', 'CAMClassifier', 'ConvEmbedding', 'GaussianEmbedding',
    'LinearEmbedding', 'MeanOfPositions', 'PreActResNet_CIFAR',
    'ResidualDecoder', 'SoftmaxBCELoss', 'VGGACoL', 'VGGGAP',
    'WideResNet_CIFAR',
    'attention_dropout', 'erase_attended', 'normalize_maps'
]
