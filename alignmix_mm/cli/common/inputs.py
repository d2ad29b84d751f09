"""From the file of an image to the input of a network, as in a test."""
import copy
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmpretrain.registry import TRANSFORMS

#: Suffixes of what is taken from a folder.
SUFFIXES = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff',
            '.webp')
#: Red, green and blue of the image that shows the order of channels.
_PROBE = (200, 100, 50)


class Colours(NamedTuple):
    """What a pipeline makes of colours.

    Attributes:
        channels (int): How many the network sees.
        size (tuple[int, int]): Rows and columns.
        is_8bit (bool): Whether pixels are still those of the file, from 0 to
            255.
        is_rgb (bool): Whether they are in this order; True if they are not
            those of the file.
    """

    channels: int
    size: tuple[int, int]
    is_8bit: bool
    is_rgb: bool


def find_images(paths: Iterable[Path]) -> list[Path]:
    """Find the images of folders.

    Args:
        paths (Iterable[Path]): Files, which are taken as they are, and
            folders, whose images are taken, and those below.

    Returns:
        list[Path]: Files, those of a folder in the order of their names.
    """
    found = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        images = sorted(file for file in path.rglob('*')
                        if file.suffix.lower() in SUFFIXES and file.is_file())
        if not images:
            sys.exit(f'There is no image in {path}: expected files that end '
                     f'in {", ".join(SUFFIXES)}.')
        found += images
    return found


def tested_dataset(config: Config) -> dict:
    """Settings of the data set that a test reads.

    Args:
        config (Config): Complete config.

    Returns:
        dict: The innermost one, if others repeat or join it.
    """
    loaders = (config.get('test_dataloader'), config.get('val_dataloader'))
    dataset = next(filter(None, loaders), {}).get('dataset') or {}
    return _innermost(dataset)


def file_pipeline(config: Config) -> list[dict]:
    """Settings of the transforms of a test, from the file on.

    If the data set of the config holds pixels (CIFAR), a file is loaded, its
    channels get their order, and it is resized to the size of training.

    Args:
        config (Config): Complete config.

    Returns:
        list[dict]: Transforms.
    """
    given = tested_dataset(config).get('pipeline')
    if not given:
        sys.exit('The config has no transforms for a test, '
                 'test_dataloader.dataset.pipeline: give one that has, '
                 '--config FILE.')
    given = copy.deepcopy([dict(transform) for transform in given])
    if _name(given[0]).startswith('Load'):
        return given
    size = trained_size(config)
    if size is None:
        sys.exit('The data set of the config holds pixels, and no transform '
                 'says their size, so a file cannot be resized to it: give a '
                 'config that loads files, --config FILE.')
    return [*load_pixels(config), dict(type='Resize', scale=size[::-1]),
            *given]


def load_pixels(config: Config) -> list[dict]:
    """Transforms that load a file like the pixels of the config's data set.

    Args:
        config (Config): Config of a data set that holds pixels, in RGB.

    Returns:
        list[dict]: Transforms.
    """
    settings = (config.get('model') or {}).get('data_preprocessor') or (
        config.get('data_preprocessor') or {})
    if len(settings.get('mean') or (0, 0, 0)) == 1:
        return [dict(type='LoadImageFromFile', color_type='grayscale')]
    load = [dict(type='LoadImageFromFile')]  # BGR
    if settings.get('to_rgb'):
        return load
    return [*load, dict(type='NumpyToPIL', to_rgb=True),
            dict(type='PILToNumpy')]


def trained_size(config: Config) -> tuple[int, int] | None:
    """Rows and columns of the images of a training.

    Args:
        config (Config): Complete config.

    Returns:
        tuple[int, int], optional: By the last transform of a test or of
        training that sets a size; None if none does.
    """
    training = _innermost(
        (config.get('train_dataloader') or {}).get('dataset') or {})
    for dataset in (tested_dataset(config), training):
        for transform in reversed(dataset.get('pipeline') or []):
            size = transform.get('crop_size') or (
                transform.get('scale') if _name(transform) != 'ResizeEdge'
                else None)
            if isinstance(size, int):
                return size, size
            if isinstance(size, (list, tuple)) and _name(
                    transform) == 'Resize':
                return size[1], size[0]  # a scale is (width, height)
            if isinstance(size, (list, tuple)):
                return tuple(size)
    return None


def build_pipeline(transforms: Sequence[dict]) -> Callable[[dict], Any]:
    """Build transforms.

    Args:
        transforms (Sequence[dict]): Their settings.

    Returns:
        Callable: Takes ``dict(img_path=...)``, returns ``inputs`` and
        ``data_samples``.
    """
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return Compose([TRANSFORMS.build(dict(t)) for t in transforms])


def colours_of(pipeline: Callable[[dict], Any]) -> Colours:
    """Look at what a pipeline makes of an image of one colour.

    Args:
        pipeline (Callable): Of :func:`build_pipeline`.

    Returns:
        Colours: Channels, size, order and range.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / 'colour.png')
        cv2.imwrite(path, np.full((512, 512, 3), _PROBE[::-1], np.uint8))
        inputs = pipeline(dict(img_path=path))['inputs'].float()
    means = inputs.mean((1, 2)).round().int().tolist()
    if len(means) == 1:
        return Colours(1, tuple(inputs.shape[1:]),
                       min(_PROBE) <= means[0] <= max(_PROBE), True)
    return Colours(len(means), tuple(inputs.shape[1:]),
                   sorted(means) == sorted(_PROBE),
                   means != list(_PROBE[::-1]))


def _innermost(dataset: dict) -> dict:
    while True:
        inner = dataset.get('dataset') or dataset.get('known') or (
            dataset.get('datasets') or [None])[0]
        if not inner:
            return dataset
        dataset = inner


def _name(transform: dict) -> str:
    kind = transform['type']
    return str(getattr(kind, '__name__', kind)).split('.')[-1]
