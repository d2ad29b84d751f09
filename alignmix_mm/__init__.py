"""AlignMix for MMPretrain: mix feature maps after aligning them.

Importing this package imports no other package. Its classes are in
MMPretrain's registries as soon as MMPretrain is imported, before or after this
package. ``alignmix_mm.ops`` works without MMPretrain, with only torch.
"""
import importlib.util
import warnings
from typing import Any

from . import _lazy, _registration
from .engine import compat
from .shipped import config_path as config_path
from .version import __version__ as __version__

_EXPORTS = _lazy.exports(
    datasets=('CUBWithBoxes', 'ClassFolders', 'Digits', 'FloatLighting',
              'LoadCheckedImage', 'NoiseImages', 'OODTestSets', 'TinyImageNet',
              'WSOLMetadata'),
    engine__hooks=('ClassNamesHook', 'FiniteLossHook', 'InterruptHook',
                   'MixLogHook', 'MixSchedule', 'MixVisualizationHook',
                   'NumClassCheckHook', 'ProgressHook', 'ReproducibleHook',
                   'ResumableCheckpointHook', 'ResumedScheduleHook',
                   'SummaryHook', 'WeightsCheckHook'),
    engine__loops=('AdversarialTestLoop', ),
    engine__schedulers=('PiecewiseLinearLR', ),
    engine__step_loop=('StepsTrainLoop', ),
    evaluation__metrics=('CalibrationError', 'Localization', 'OODDetection'),
    mixing=('AlignMix', 'CoMixup', 'ManifoldMix', 'MixBatch', 'MixMethod',
            'MixPlan', 'PuzzleMix', 'SaliencyMix', 'StyleCutMix',
            'StyleMix'),
    models=('ACoLHead', 'ADL', 'AlignMixAEClassifier', 'AlignMixClassifier',
            'AlignMixNeck', 'CAMClassifier', 'ConvEmbedding',
            'GaussianEmbedding', 'LinearEmbedding', 'MeanOfPositions',
            'PreActResNet_CIFAR', 'ResidualDecoder', 'SoftmaxBCELoss',
            'VGGACoL', 'VGGGAP', 'WideResNet_CIFAR'))
_load = _lazy.loader(__name__, _EXPORTS)

__all__ = sorted([*_EXPORTS, '__version__', 'config_path'])

compat.apply()
_registration.register()


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        _require_stack()
    return _load(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _require_stack() -> None:
    """Say what to install, instead of naming only one missing module."""
    missing = [name for name in ('mmengine', 'mmcv', 'mmpretrain')
               if importlib.util.find_spec(name) is None]
    problem, cause = f'did not find {", ".join(missing)}', None
    if not missing:
        try:
            with warnings.catch_warnings():
                # mmcv-lite warns at every import; we do not need its operator
                warnings.filterwarnings(
                    'ignore', 'Fail to import ``MultiScaleDeform')
                import mmpretrain.models  # noqa: F401
        except Exception as error:  # an incomplete stack fails in many ways
            problem = ('cannot import mmpretrain '
                       f'({type(error).__name__}: {error})')
            cause = error
        else:
            return
    raise ImportError(
        f'alignmix_mm {problem}, so only alignmix_mm.ops works. Install the '
        'OpenMMLab stack with `pip install "alignmix_mm[official]"` or its '
        'maintained forks with `pip install "alignmix_mm[onedl]"`; '
        '`python -m alignmix_mm.doctor` lists other problems.') from cause
