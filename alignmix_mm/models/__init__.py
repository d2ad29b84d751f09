"""Networks that execute mix plans, and maps of what they see."""
from .backbones import VGGGAP, PreActResNet_CIFAR
from .cam import CAMClassifier
from .classifiers import AlignMixClassifier
from .embeddings import LinearEmbedding
from .necks import AlignMixNeck

__all__ = [
    'AlignMixClassifier', 'AlignMixNeck', 'CAMClassifier', 'LinearEmbedding',
    'PreActResNet_CIFAR', 'VGGGAP'
]
