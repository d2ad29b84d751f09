"""Losses of mixing methods."""
from .softmax_bce import SoftmaxBCELoss

__all__ = ['SoftmaxBCELoss']
