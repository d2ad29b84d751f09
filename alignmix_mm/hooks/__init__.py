"""Hooks that make long runs safe."""
from .checkpoint import ResumableCheckpointHook
from .finite_loss import FiniteLossHook
from .reproducible import ReproducibleHook

__all__ = ['FiniteLossHook', 'ReproducibleHook', 'ResumableCheckpointHook']
