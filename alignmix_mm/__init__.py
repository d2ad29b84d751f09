"""AlignMix for MMPretrain: mix feature maps after aligning them.

Importing this package registers its classes in MMPretrain's registries.
``alignmix_mm.ops`` works without MMPretrain, with torch alone.
"""
import importlib.util
import warnings

from .shipped import config_path
from .version import __version__


def _stack_problem() -> str | None:
    """Why the OpenMMLab stack cannot be used, None if it can."""
    missing = [name for name in ('mmengine', 'mmcv', 'mmpretrain')
               if importlib.util.find_spec(name) is None]
    if missing:
        return f'did not find {", ".join(missing)}'
    try:
        import mmpretrain  # noqa: F401
    except Exception as error:  # half of a stack fails in many ways
        return ('cannot import mmpretrain '
                f'({type(error).__name__}: {error})')
    return None


with warnings.catch_warnings():
    # mmcv-lite says so at every import, and nothing here needs it
    warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeform')
    _PROBLEM = _stack_problem()

    if _PROBLEM is None:
        from . import compat, shipped
        compat.apply()
        from .datasets import (
            CUBWithBoxes,
            Digits,
            LoadCheckedImage,
            NoiseImages,
            OODTestSets,
            TinyImageNet,
            WSOLMetadata,
        )
        from .evaluation.loops import AdversarialTestLoop
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
        from .mixing import AlignMix, MixBatch, MixPlan
        from .models import (
            VGGGAP,
            AlignMixAEClassifier,
            AlignMixClassifier,
            AlignMixNeck,
            CAMClassifier,
            ConvEmbedding,
            GaussianEmbedding,
            LinearEmbedding,
            PreActResNet_CIFAR,
            ResidualDecoder,
            WideResNet_CIFAR,
        )
        from .schedulers import PiecewiseLinearLR
        shipped.register()

if _PROBLEM is not None:
    _ADVICE = (
        f'alignmix_mm {_PROBLEM}, so only alignmix_mm.ops works. Install the '
        'OpenMMLab stack with `pip install "alignmix_mm[official]"` or its '
        'maintained forks with `pip install "alignmix_mm[onedl]"`; '
        '`python -m alignmix_mm.doctor` says what else is wrong.')
    warnings.warn(_ADVICE, stacklevel=2)

    def __getattr__(name: str):
        if name in __all__:
            raise ImportError(_ADVICE)
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


__all__ = [
    'AdversarialTestLoop', 'AlignMix', 'AlignMixAEClassifier',
    'AlignMixClassifier', 'AlignMixNeck', 'CAMClassifier', 'CUBWithBoxes',
    'CalibrationError', 'ConvEmbedding', 'Digits', 'FiniteLossHook',
    'GaussianEmbedding', 'LinearEmbedding', 'LoadCheckedImage', 'Localization',
    'MixBatch', 'MixLogHook', 'MixPlan', 'MixSchedule', 'MixVisualizationHook',
    'NoiseImages', 'NumClassCheckHook', 'OODDetection', 'OODTestSets',
    'PiecewiseLinearLR', 'PreActResNet_CIFAR', 'ProgressHook',
    'ReproducibleHook', 'ResidualDecoder', 'ResumableCheckpointHook',
    'TinyImageNet', 'VGGGAP', 'WSOLMetadata', 'WideResNet_CIFAR',
    '__version__', 'config_path'
]
