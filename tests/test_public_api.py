import pytest
from mmpretrain.registry import (
    BATCH_AUGMENTS,
    DATASETS,
    HOOKS,
    LOOPS,
    METRICS,
    MODELS,
    PARAM_SCHEDULERS,
    TRANSFORMS,
)

import alignmix_mm
from alignmix_mm import mixing, models, ops
from alignmix_mm.evaluation import functional


def test_exports():
    assert ops.__all__ == ['TransportInfo', 'align', 'align_and_mix',
                           'assignment', 'pairwise_cost']
    assert mixing.__all__ == [
        'AlignMix', 'AlignedPairs', 'Alignment', 'CoMixup', 'Draws', 'MODES',
        'ManifoldMix', 'MixBatch', 'MixMethod', 'MixPlan', 'Mixture', 'Pairs',
        'PendingPlan', 'PuzzleMix', 'SaliencyMix', 'StyleCutMix',
        'StyleDecoder', 'StyleEncoder', 'StyleMix', 'WeightedSum',
        'alignmix_plan', 'draw_pairs', 'load_style_networks']
    assert alignmix_mm.__all__ == [
        'ACoLHead', 'ADL', 'AdversarialTestLoop', 'AlignMix',
        'AlignMixAEClassifier', 'AlignMixClassifier', 'AlignMixNeck',
        'CAMClassifier', 'CUBWithBoxes', 'CalibrationError', 'ClassFolders',
        'ClassNamesHook', 'CoMixup', 'ConvEmbedding', 'Digits',
        'FiniteLossHook', 'FloatLighting', 'GaussianEmbedding',
        'InterruptHook',
        'LinearEmbedding', 'LoadCheckedImage', 'Localization', 'ManifoldMix',
        'MeanOfPositions', 'MixBatch', 'MixLogHook', 'MixMethod', 'MixPlan',
        'MixSchedule', 'MixVisualizationHook', 'NoiseImages',
        'NumClassCheckHook', 'OODDetection', 'OODTestSets',
        'PiecewiseLinearLR', 'PreActResNet_CIFAR', 'ProgressHook', 'PuzzleMix',
        'ReproducibleHook', 'ResidualDecoder', 'ResumableCheckpointHook',
        'ResumedScheduleHook', 'SaliencyMix', 'SoftmaxBCELoss',
        'StepsTrainLoop', 'StyleCutMix', 'StyleMix', 'SummaryHook',
        'TinyImageNet', 'VGGACoL', 'VGGGAP', 'WSOLMetadata',
        'WeightsCheckHook', 'WideResNet_CIFAR', '__version__', 'config_path']
    assert set(functional.__all__) >= {
        'bin_statistics', 'expected_calibration_error',
        'overconfidence_error', 'ood_metrics', 'projected_gradient_ascent',
        'uniform_start', 'score_map', 'boxes_from_map', 'box_iou',
        'resize_boxes', 'best_iou_curve', 'max_box_accuracy',
        'class_activation_map'}
    for module in (alignmix_mm, functional, mixing, models, ops):
        assert all(hasattr(module, name) for name in module.__all__)


@pytest.mark.parametrize('registry, name', [
    (BATCH_AUGMENTS, 'AlignMix'), (DATASETS, 'Digits'),
    (DATASETS, 'CUBWithBoxes'), (DATASETS, 'NoiseImages'),
    (DATASETS, 'OODTestSets'), (DATASETS, 'TinyImageNet'),
    (DATASETS, 'WSOLMetadata'),
    (LOOPS, 'AdversarialTestLoop'), (LOOPS, 'StepsTrainLoop'),
    (METRICS, 'CalibrationError'),
    (METRICS, 'Localization'), (METRICS, 'OODDetection'),
    (MODELS, 'ACoLHead'), (MODELS, 'ADL'), (MODELS, 'VGGACoL'),
    (MODELS, 'AlignMixNeck'), (MODELS, 'AlignMixClassifier'),
    (MODELS, 'AlignMixAEClassifier'), (MODELS, 'ResidualDecoder'),
    (MODELS, 'MeanOfPositions'), (MODELS, 'CAMClassifier'),
    (MODELS, 'LinearEmbedding'),
    (MODELS, 'PreActResNet_CIFAR'), (MODELS, 'VGGGAP'),
    (MODELS, 'WideResNet_CIFAR'), (MODELS, 'ConvEmbedding'),
    (MODELS, 'GaussianEmbedding'), (HOOKS, 'ReproducibleHook'),
    (HOOKS, 'ResumableCheckpointHook'), (HOOKS, 'WeightsCheckHook'),
    (HOOKS, 'FiniteLossHook'), (HOOKS, 'NumClassCheckHook'),
    (HOOKS, 'ClassNamesHook'), (HOOKS, 'InterruptHook'),
    (HOOKS, 'ResumedScheduleHook'), (HOOKS, 'SummaryHook'),
    (DATASETS, 'ClassFolders'),
    (HOOKS, 'MixLogHook'), (HOOKS, 'MixSchedule'), (HOOKS, 'ProgressHook'),
    (HOOKS, 'MixVisualizationHook'),
    (PARAM_SCHEDULERS, 'PiecewiseLinearLR'),
    (TRANSFORMS, 'LoadCheckedImage')])
def test_classes_are_in_mmpretrains_registries(registry, name):
    assert registry.get(name) is getattr(alignmix_mm, name)
    assert registry.get(f'alignmix_mm.{name}') is getattr(alignmix_mm, name)
