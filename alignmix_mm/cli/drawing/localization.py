"""Figure 5: where a classifier sees its objects."""
import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.evaluator import BaseMetric
from mmpretrain.registry import DATASETS, METRICS
from mmpretrain.structures import DataSample

from ...evaluation.functional import box_iou, boxes_from_map, score_map
from ...evaluation.metrics import Localization
from ...evaluation.metrics.geometry import boxes_in_input
from ...visualization import LocalizedPicture, plot_localization, save
from ..common import load_config, load_model, tracked


def build_dataset(cfg: Config, images: Path | None) -> BaseDataset:
    """Build the test set, or one of a folder's images.

    Args:
        cfg (Config): Complete config.
        images (Path, optional): The folder.

    Returns:
        BaseDataset: The data set.
    """
    options = cfg.test_dataloader.dataset
    if images is None:
        return DATASETS.build(options)
    if not any('Load' in str(step.type) for step in options.pipeline):
        sys.exit('--images needs a config whose test pipeline reads image '
                 'files, with LoadImageFromFile and a Resize; that of this '
                 f'config is {[step.type for step in options.pipeline]}.')
    dataset = DATASETS.build(dict(
        type='CustomDataset', data_root=str(images), with_label=False,
        pipeline=options.pipeline, lazy_init=True))
    try:
        dataset.full_init()
    except (OSError, RuntimeError) as error:
        sys.exit(f'--images {images}: {error}')
    return dataset


def build_model(cfg: Config, checkpoint: str, cam: str) -> torch.nn.Module:
    """Build the classifier, with maps.

    Args:
        cfg (Config): Complete config.
        checkpoint (str): Its weights.
        cam (str): Class of the maps, see ``CAMClassifier``.

    Returns:
        Module: In evaluation mode.
    """
    if cfg.model.type == 'ImageClassifier':
        cfg.model.type = 'alignmix_mm.CAMClassifier'
    cfg.model.cam = cam
    return load_model(cfg, checkpoint)


def metric_of(cfg: Config) -> BaseMetric:
    """Find the config's Localization, whose options say what a box is.

    Args:
        cfg (Config): Complete config.

    Returns:
        BaseMetric: It, or one of the default options.
    """
    evaluators = cfg.get('test_evaluator') or []
    if isinstance(evaluators, dict):
        evaluators = [evaluators]
    for options in evaluators:
        if METRICS.get(options['type']) is Localization:
            return METRICS.build(options)
    return Localization()


def pictures(dataset: BaseDataset, model: torch.nn.Module,
             metric: Localization,
             indices: Sequence[int]) -> Iterator[LocalizedPicture]:
    """Predict and describe images.

    Args:
        dataset (BaseDataset): The images.
        model (Module): The classifier.
        metric (Localization): Says what a box is.
        indices (Sequence[int]): Which images.

    Yields:
        LocalizedPicture: Each of them.
    """
    # a checkpoint knows the classes that it was trained on
    classes = model._dataset_meta.get('classes') or (
        dataset.metainfo.get('classes'))
    for index in tracked(indices, 'Localizing'):
        data = dataset[int(index)]
        with torch.no_grad():
            sample, = model.test_step(pseudo_collate([data]))
        image = data['inputs'].permute(1, 2, 0).numpy()
        if model.data_preprocessor.to_rgb:  # it is loaded as BGR
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
    """Write the class, the IoU, and what was wrongly predicted.

    Args:
        sample (DataSample): The prediction.
        box (np.ndarray): Its box.
        truth (np.ndarray): True boxes.
        classes (tuple[str], optional): Names of the classes.

    Returns:
        str: A line.
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
    """Draw.

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
        sys.exit(f'There are {len(dataset)} images, but --index asks for '
                 f'number {max(indices)}.')
    drawn = list(pictures(dataset, model, metric_of(cfg), indices))
    figure = plot_localization(drawn)
    for path in args.out or [Path(cfg.work_dir, 'localization.png')]:
        save(figure, path)
        print(path)
