"""Networks that execute mix plans, and maps of what they see."""
from .autoencoder import AlignMixAEClassifier
from .backbones import VGGGAP, PreActResNet_CIFAR, WideResNet_CIFAR
from .classifiers import AlignMixClassifier
from .decoders import ResidualDecoder
from .embeddings import ConvEmbedding, LinearEmbedding
from .gaussian import GaussianEmbedding
from .localization import CAMClassifier
from .losses import SoftmaxBCELoss
from .necks import AlignMixNeck

__all__ = [
    'AlignMixAEClassifier', 'AlignMixClassifier', 'AlignMixNeck',
    'CAMClassifier', 'ConvEmbedding', 'GaussianEmbedding', 'LinearEmbedding',
    'PreActResNet_CIFAR', 'ResidualDecoder', 'SoftmaxBCELoss', 'VGGGAP',
    'WideResNet_CIFAR'
]
