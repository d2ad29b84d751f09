"""Hooks that make long runs safe, and mixing visible."""
from .checkpoint import ResumableCheckpointHook
from .finite_loss import FiniteLossHook
from .mix_log import MixLogHook
from .mix_schedule import MixSchedule
from .mix_visualization import MixVisualizationHook
from .num_classes import NumClassCheckHook
from .progress import ProgressHook
from .reproducible import ReproducibleHook
from .weights_check import WeightsCheckHook

__all__ = [
    'FiniteLossHook', 'MixLogHook', 'MixSchedule', 'MixVisualizationHook',
    'NumClassCheckHook', 'ProgressHook', 'ReproducibleHook',
    'ResumableCheckpointHook', 'WeightsCheckHook'
]
