"""What type checkers see: the names that __init__.py loads lazily."""
from .datasets import (
    CUBWithBoxes,
    Digits,
    LoadCheckedImage,
    NoiseImages,
    OODTestSets,
    TinyImageNet,
    WSOLMetadata,
)
from .evaluation.loops import (
    AdversarialTestLoop,
)
from .evaluation.metrics import (
    CalibrationError,
    Localization,
    OODDetection,
)
from .hooks import (
    FiniteLossHook,
    MixLogHook,
    MixSchedule,
    MixVisualizationHook,
    NumClassCheckHook,
    ProgressHook,
    ReproducibleHook,
    ResumableCheckpointHook,
)
from .mixing import (
    AlignMix,
    MixBatch,
    MixPlan,
)
from .models import (
    ADL,
    VGGGAP,
    ACoLHead,
    AlignMixAEClassifier,
    AlignMixClassifier,
    AlignMixNeck,
    CAMClassifier,
    ConvEmbedding,
    GaussianEmbedding,
    LinearEmbedding,
    PreActResNet_CIFAR,
    ResidualDecoder,
    VGGACoL,
    WideResNet_CIFAR,
)
from .schedulers import (
    PiecewiseLinearLR,
)
from .shipped import config_path
from .version import __version__

__all__ = [
    'ACoLHead', 'ADL', 'AdversarialTestLoop', 'AlignMix',
    'AlignMixAEClassifier', 'AlignMixClassifier', 'AlignMixNeck',
    'CAMClassifier', 'CUBWithBoxes', 'CalibrationError', 'ConvEmbedding',
    'Digits', 'FiniteLossHook', 'GaussianEmbedding', 'LinearEmbedding',
    'LoadCheckedImage', 'Localization', 'MixBatch', 'MixLogHook', 'MixPlan',
    'MixSchedule', 'MixVisualizationHook', 'NoiseImages',
    'NumClassCheckHook', 'OODDetection', 'OODTestSets', 'PiecewiseLinearLR',
    'PreActResNet_CIFAR', 'ProgressHook', 'ReproducibleHook',
    'ResidualDecoder', 'ResumableCheckpointHook', 'TinyImageNet', 'VGGACoL',
    'VGGGAP', 'WSOLMetadata', 'WideResNet_CIFAR', '__version__',
    'config_path'
]
