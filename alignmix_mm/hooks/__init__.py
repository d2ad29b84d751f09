"""Hooks that make long runs safe."""
from .checkpoint import ResumableCheckpointHook
from .finite_loss import FiniteLossHook
from .num_classes import NumClassCheckHook
from .reproducible import ReproducibleHook

__all__ = [
    'FiniteLossHook', 'NumClassCheckHook', 'ReproducibleHook',
    'ResumableCheckpointHook'
]
