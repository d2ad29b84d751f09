"""Hooks that make long runs safe and mixing visible."""
from .checkpoint import ResumableCheckpointHook
from .class_names import ClassNamesHook
from .finite_loss import FiniteLossHook
from .interrupt import InterruptHook
from .mix_log import MixLogHook
from .mix_schedule import MixSchedule
from .mix_visualization import MixVisualizationHook
from .num_classes import NumClassCheckHook
from .progress import ProgressHook
from .reproducible import ReproducibleHook
from .resumed_schedule import ResumedScheduleHook
from .summary import SummaryHook
from .weights_check import WeightsCheckHook

__all__ = [
    'ClassNamesHook', 'FiniteLossHook', 'InterruptHook', 'MixLogHook',
    'MixSchedule', 'MixVisualizationHook', 'NumClassCheckHook',
    'ProgressHook', 'ReproducibleHook', 'ResumableCheckpointHook',
    'ResumedScheduleHook', 'SummaryHook', 'WeightsCheckHook'
]
