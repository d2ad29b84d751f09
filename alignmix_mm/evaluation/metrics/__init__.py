"""Evaluation as metrics of MMEngine."""
from .calibration_error import CalibrationError
from .localization import Localization
from .ood_detection import OODDetection

__all__ = ['CalibrationError', 'Localization', 'OODDetection']
