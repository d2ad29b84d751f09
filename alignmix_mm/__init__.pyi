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
from .engine.hooks import (
    FiniteLossHook,
    MixLogHook,
    MixSchedule,
    MixVisualizationHook,
    NumClassCheckHook,
    ProgressHook,
    ReproducibleHook,
    ResumableCheckpointHook,
    WeightsCheckHook,
)
from .engine.loops import (
    AdversarialTestLoop,
)
from .engine.schedulers import (
    PiecewiseLinearLR,
)
from .evaluation.metrics import (
    CalibrationError,
    Localization,
    OODDetection,
)
from .mixing import (
    AlignMix,
    CoMixup,
    ManifoldMix,
    MixBatch,
    MixMethod,
    MixPlan,
    PuzzleMix,
    SaliencyMix,
    StyleCutMix,
    StyleMix,
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
    SoftmaxBCELoss,
    VGGACoL,
    WideResNet_CIFAR,
)
from .shipped import config_path
from .version import __version__

__all__ = [
    'ACoLHead', 'ADL', 'AdversarialTestLoop', 'AlignMix',
    'AlignMixAEClassifier', 'AlignMixClassifier', 'AlignMixNeck',
    'CAMClassifier', 'CUBWithBoxes', 'CalibrationError', 'CoMixup',
    'ConvEmbedding', 'Digits', 'FiniteLossHook', 'GaussianEmbedding',
    'LinearEmbedding', 'LoadCheckedImage', 'Localization', 'ManifoldMix',
    'MixBatch', 'MixLogHook', 'MixMethod', 'MixPlan', 'MixSchedule',
    'MixVisualizationHook', 'NoiseImages', 'NumClassCheckHook',
    'OODDetection', 'OODTestSets', 'PiecewiseLinearLR',
    'PreActResNet_CIFAR', 'ProgressHook', 'PuzzleMix', 'ReproducibleHook',
    'ResidualDecoder', 'ResumableCheckpointHook', 'SaliencyMix',
    'SoftmaxBCELoss', 'StyleCutMix', 'StyleMix', 'TinyImageNet', 'VGGACoL',
    'VGGGAP', 'WSOLMetadata', 'WeightsCheckHook', 'WideResNet_CIFAR',
    '__version__',
    'config_path'
]
