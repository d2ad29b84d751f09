"""Draw Figure 5 of the paper: where a classifier sees its objects."""
import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.evaluator import BaseMetric
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import DATASETS, METRICS, MODELS, TRANSFORMS
from mmpretrain.structures import DataSample

from ...engine.kinds import class_of, name_of
from ...evaluation.functional import box_iou, boxes_from_map, score_map
from ...evaluation.metrics import Localization
from ...evaluation.metrics.geometry import boxes_in_input
from ...visualization import LocalizedPicture, plot_localization, save
from ..common import load_config, load_model, tracked


def build_dataset(cfg: Config, images: Path | None) -> BaseDataset:
    """Build the test set, or a data set of the images in a folder.

    Args:
        cfg (Config): Complete config.
        images (Path, optional): The folder; None for the test set.

    Returns:
        BaseDataset: The data set.
    """
    options = cfg.test_dataloader.dataset
    if images is None:
        return DATASETS.build(options)
    steps = [name_of(step, TRANSFORMS) for step in options.pipeline]
    if not any('Load' in step for step in steps):
        sys.exit('--images needs a config whose test pipeline reads image '
                 'files, with LoadImageFromFile and a Resize, but its steps '
                 f'are {steps}.')
    dataset = DATASETS.build(dict(
        type='CustomDataset', data_root=str(images), with_label=False,
        pipeline=options.pipeline, lazy_init=True))
    try:
        dataset.full_init()
    except (OSError, RuntimeError) as error:
        sys.exit(f'--images {images}: {error}')
    return dataset


def build_model(cfg: Config, checkpoint: str, cam: str) -> torch.nn.Module:
    """Build the classifier so that it returns activation maps.

    Args:
        cfg (Config): Complete config.
        checkpoint (str): File of its weights.
        cam (str): Which class the maps show, see ``CAMClassifier``.

    Returns:
        Module: In evaluation mode.
    """
    if class_of(cfg.model, MODELS) is ImageClassifier:
        cfg.model.type = 'alignmix_mm.CAMClassifier'
    cfg.model.cam = cam
    return load_model(cfg, checkpoint)


def metric_of(cfg: Config) -> BaseMetric:
    """Find the metric Localization of a config, which defines the boxes.

    Args:
        cfg (Config): Complete config.

    Returns:
        BaseMetric: The metric, with default options if it has none.
    """
    evaluators = cfg.get('test_evaluator') or []
    if isinstance(evaluators, dict):
        evaluators = [evaluators]
    for options in evaluators:
        if class_of(options, METRICS) is Localization:
            return METRICS.build(options)
    return Localization()


def pictures(dataset: BaseDataset, model: torch.nn.Module,
             metric: Localization,
             indices: Sequence[int]) -> Iterator[LocalizedPicture]:
    """Predict images and describe the results.

    Args:
        dataset (BaseDataset): The images.
        model (Module): The classifier.
        metric (Localization): Defines the boxes.
        indices (Sequence[int]): Indices of the images.

    Yields:
        LocalizedPicture: One for each index.
    """
    # the checkpoint has the classes that it was trained on
    classes = model._dataset_meta.get('classes') or (
        dataset.metainfo.get('classes'))
    for index in tracked(indices, 'Localizing'):
        data = dataset[int(index)]
        with torch.no_grad():
            sample, = model.test_step(pseudo_collate([data]))
        image = data['inputs'].permute(1, 2, 0).numpy()
        if model.data_preprocessor.to_rgb:  # images are loaded as BGR
            image = image[..., ::-1]
        scores = score_map(sample.cam, image.shape[:2],
                           metric.options['norm'])
        (box, ), = boxes_from_map(scores, [metric.options['tau']],
                                  metric.options['box'])
        truth = np.zeros((0, 4))
        if 'loc_boxes' in sample:
            truth = boxes_in_input(sample.to_dict(), metric.center_crop)
        yield LocalizedPicture(image, scores, box, truth,
                               describe(sample, box, truth, classes))


def describe(sample: DataSample, box: np.ndarray, truth: np.ndarray,
             classes: tuple[str, ...] | None) -> str:
    """Write the class, the IoU and, if wrong, the predicted class.

    Args:
        sample (DataSample): The prediction.
        box (np.ndarray): Its box, ``(4, )``.
        truth (np.ndarray): True boxes, ``(n, 4)``.
        classes (tuple[str], optional): Names of the classes.

    Returns:
        str: One line, or two if the prediction is wrong.
    """
    shown, predicted = int(sample.cam_label), int(sample.pred_label)

    def name(label: int) -> str:
        return classes[label] if classes else f'class {label}'

    words = [name(shown)]
    if len(truth):
        words.append(f'IoU {box_iou([box], truth).max():.2f}')
    text = ', '.join(words)
    return text if predicted == shown else f'{text}\npred. {name(predicted)}'


def run(args: argparse.Namespace) -> None:
    """Draw the images.

    Args:
        args (Namespace): Parsed options.
    """
    cfg = load_config(args, [] if args.images else ['test_dataloader'])
    dataset = build_dataset(cfg, args.images)
    model = build_model(cfg, args.checkpoint, 'pred' if args.images else 'gt')
    generator = np.random.default_rng(args.seed)
    indices = args.index or np.sort(
        generator.permutation(len(dataset))[:args.num])
    if max(indices) >= len(dataset):
        sys.exit(f'--index asks for image {max(indices)}, but the indices of '
                 f'the {len(dataset)} images are 0 to {len(dataset) - 1}.')
    drawn = list(pictures(dataset, model, metric_of(cfg), indices))
    figure = plot_localization(drawn)
    for path in args.out or [Path(cfg.work_dir, 'localization.png')]:
        save(figure, path)
        print(path)
