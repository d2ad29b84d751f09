"""Evaluation as metrics of MMEngine."""
from .calibration_error import CalibrationError
from .ood_detection import OODDetection

__all__ = ['CalibrationError', 'OODDetection']
