"""Evaluate score maps that are stored in files."""
import argparse
import os
import sys
from pathlib import Path

import mmengine
import numpy as np
from mmengine.dataset import BaseDataset

from ..datasets import CUBWithBoxes, WSOLMetadata
from ..evaluation.functional import (
    LocalizedImage,
    localization_metrics,
    localize,
    resize_boxes,
)
from ..evaluation.metrics.localization import report
from .common import tracked
from .errors import describe


def centre_map(size: tuple[int, int]) -> np.ndarray:
    """Make a Gaussian at the centre; sigma is a quarter of the image.

    Args:
        size (tuple[int, int]): Height and width ``(h, w)``.

    Returns:
        np.ndarray: ``(h, w)``, float64.
    """
    y, x = (np.arange(n) - (n - 1) / 2 for n in size)
    return np.exp(-((y / size[0])[:, None]**2 + (x / size[1])**2) * 8)


def read_map(folder: Path, image: Path) -> np.ndarray:
    """Read the map of an image.

    Args:
        folder (Path): Folder of maps.
        image (Path): Path of the image, relative to the image folder.

    Returns:
        np.ndarray: The map, ``(h, w)``.
    """
    path = folder / image.with_suffix('.npy')
    if not path.is_file() and (folder / f'{image}.npy').is_file():
        path = folder / f'{image}.npy'
    try:
        scores = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        sys.exit(f'{path} should be the map of {image}: {error}')
    if scores.ndim != 2:
        sys.exit(f'{path} should be a map (h, w), but its shape is '
                 f'{scores.shape}.')
    return scores


def evaluate(dataset: BaseDataset,
             args: argparse.Namespace) -> list[LocalizedImage]:
    """Evaluate all images.

    Args:
        dataset (BaseDataset): Data set with boxes.
        args (Namespace): Parsed options.

    Returns:
        list[LocalizedImage]: Result for each image.
    """
    size = tuple(args.size)
    images = []
    for n in tracked(range(len(dataset)), 'Localizing'):
        info = dataset.get_data_info(n)
        boxes = resize_boxes(info['loc_boxes'], info['loc_size'], size[::-1])
        name = Path(os.path.relpath(info['img_path'], dataset.img_prefix))
        scores = (read_map(args.maps, name) if args.maps else
                  centre_map(size))
        images.append(localize(
            scores, boxes, size, args.tau, args.norm, args.box))
    return images


def run(args: argparse.Namespace) -> None:
    """Evaluate the maps; print and write the results.

    Args:
        args (Namespace): Parsed options.
    """
    try:
        if args.metadata:
            dataset = WSOLMetadata(args.metadata, args.data_root)
        else:
            dataset = CUBWithBoxes(args.data_root, args.split)
        figures = localization_metrics(evaluate(dataset, args), tau=args.tau)
    except (OSError, ValueError) as error:
        sys.exit(describe(error))
    figures = report(figures, vars(args), dataset.metainfo['split'])
    for key, value in figures.items():
        shown = f'{value:.3f}' if isinstance(value, float) else value
        print(f'{key:20} {shown}')
    if args.out:
        mmengine.dump(figures, args.out)
