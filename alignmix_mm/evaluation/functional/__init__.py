"""Evaluation as pure functions: arrays or tensors in, numbers out."""
from .attacks import projected_gradient_ascent, uniform_start
from .calibration import (
    BinStatistics,
    bin_confidences,
    bin_statistics,
    expected_calibration_error,
    overconfidence_error,
)
from .ood import ood_metrics

__all__ = [
    'BinStatistics', 'bin_confidences', 'bin_statistics',
    'expected_calibration_error', 'ood_metrics', 'overconfidence_error',
    'projected_gradient_ascent', 'uniform_start'
]
