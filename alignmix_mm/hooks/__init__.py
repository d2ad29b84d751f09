"""Hooks that make long runs safe to interrupt."""
from .checkpoint import ResumableCheckpointHook
from .reproducible import ReproducibleHook

__all__ = ['ReproducibleHook', 'ResumableCheckpointHook']
