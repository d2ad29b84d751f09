"""Maps of what a classifier looks at."""
from .cam import ActivationMaps, CAMClassifier

__all__ = ['ActivationMaps', 'CAMClassifier']
