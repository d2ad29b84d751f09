"""Networks that execute mix plans, and maps of what they see."""
from .autoencoder import AlignMixAEClassifier
from .backbones import VGGGAP, PreActResNet_CIFAR, WideResNet_CIFAR
from .cam import CAMClassifier
from .classifiers import AlignMixClassifier
from .decoders import ResidualDecoder
from .embeddings import LinearEmbedding
from .necks import AlignMixNeck

__all__ = [
    'AlignMixAEClassifier', 'AlignMixClassifier', 'AlignMixNeck',
    'CAMClassifier', 'LinearEmbedding', 'PreActResNet_CIFAR',
    'ResidualDecoder', 'VGGGAP', 'WideResNet_CIFAR'
]
