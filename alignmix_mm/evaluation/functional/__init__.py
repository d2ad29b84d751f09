"""Evaluation as pure functions: arrays or tensors in, numbers out."""
from ...ops.activation_map import class_activation_map
from .attacks import projected_gradient_ascent, uniform_start
from .boxes import box_iou, boxes_from_map, resize_boxes
from .calibration import (
    BinStatistics,
    bin_confidences,
    bin_statistics,
    expected_calibration_error,
    overconfidence_error,
)
from .cam import score_map
from .localization import (
    LocalizedImage,
    best_iou_curve,
    best_iou_curves,
    localization_metrics,
    localize,
    max_box_accuracy,
)
from .ood import ood_metrics

__all__ = [
    'BinStatistics', 'LocalizedImage', 'best_iou_curve', 'best_iou_curves',
    'bin_confidences', 'bin_statistics', 'box_iou', 'boxes_from_map',
    'class_activation_map', 'expected_calibration_error',
    'localization_metrics', 'localize', 'max_box_accuracy', 'ood_metrics',
    'overconfidence_error', 'projected_gradient_ascent', 'resize_boxes',
    'score_map', 'uniform_start'
]
