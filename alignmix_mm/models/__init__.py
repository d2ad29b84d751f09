"""Networks that execute mix plans."""
from .backbones import PreActResNet_CIFAR
from .classifiers import AlignMixClassifier
from .embeddings import LinearEmbedding
from .necks import AlignMixNeck

__all__ = [
    'AlignMixClassifier', 'AlignMixNeck', 'LinearEmbedding',
    'PreActResNet_CIFAR'
]
