"""What the tools share: options, their meaning, and trained models."""
from .config import load_config, make_safe
from .options import add_common_options, add_pair_options, choose_pairs
from .progress import tracked
from .run import build_runner, leave, load_model
from .visualizers import VISUALIZERS, add_visualizers

__all__ = [
    'VISUALIZERS', 'add_common_options', 'add_pair_options',
    'add_visualizers', 'build_runner', 'choose_pairs', 'leave', 'load_config',
    'load_model', 'make_safe', 'tracked'
]
