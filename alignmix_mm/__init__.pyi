"""What type checkers see: the names that __init__.py loads lazily."""
from .datasets import (
    ClassFolders,
    CUBWithBoxes,
    Digits,
    FloatLighting,
    LoadCheckedImage,
    NoiseImages,
    OODTestSets,
    TinyImageNet,
    WSOLMetadata,
)
from .engine.hooks import (
    ClassNamesHook,
    FiniteLossHook,
    InterruptHook,
    MixLogHook,
    MixSchedule,
    MixVisualizationHook,
    NumClassCheckHook,
    ProgressHook,
    ReproducibleHook,
    ResumableCheckpointHook,
    ResumedScheduleHook,
    SummaryHook,
    WeightsCheckHook,
)
from .engine.loops import (
    AdversarialTestLoop,
)
from .engine.schedulers import (
    PiecewiseLinearLR,
)
from .engine.step_loop import (
    StepsTrainLoop,
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
    MeanOfPositions,
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
    'CAMClassifier', 'CUBWithBoxes', 'CalibrationError', 'ClassFolders',
    'ClassNamesHook', 'CoMixup', 'ConvEmbedding', 'Digits', 'FiniteLossHook',
    'FloatLighting', 'GaussianEmbedding', 'InterruptHook', 'LinearEmbedding',
    'LoadCheckedImage', 'Localization', 'ManifoldMix', 'MeanOfPositions',
    'MixBatch', 'MixLogHook', 'MixMethod', 'MixPlan', 'MixSchedule',
    'MixVisualizationHook', 'NoiseImages', 'NumClassCheckHook', 'OODDetection',
    'OODTestSets', 'PiecewiseLinearLR', 'PreActResNet_CIFAR', 'ProgressHook',
    'PuzzleMix', 'ReproducibleHook', 'ResidualDecoder',
    'ResumableCheckpointHook', 'ResumedScheduleHook', 'SaliencyMix',
    'SoftmaxBCELoss', 'StepsTrainLoop', 'StyleCutMix', 'StyleMix',
    'SummaryHook', 'TinyImageNet', 'VGGACoL', 'VGGGAP', 'WSOLMetadata',
    'WeightsCheckHook', 'WideResNet_CIFAR', '__version__', 'config_path',
]
