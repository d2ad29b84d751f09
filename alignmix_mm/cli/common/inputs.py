"""Turn an image file into the input of a network, as in a test."""
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

#: Suffixes of image files.
SUFFIXES = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff',
            '.webp')
#: Red, green and blue of a test image that reveals the channel order.
_PROBE = (200, 100, 50)


class Colours(NamedTuple):
    """How a pipeline treats colours.

    Attributes:
        channels (int): Number of channels of the result.
        size (tuple[int, int]): Height and width of the result.
        is_8bit (bool): Whether pixels keep their values in the file, 0 to
            255.
        is_rgb (bool): Whether the channels are in RGB order; True if the
            values have changed.
    """

    channels: int
    size: tuple[int, int]
    is_8bit: bool
    is_rgb: bool


def find_images(paths: Iterable[Path]) -> list[Path]:
    """Find the images in files and folders.

    Args:
        paths (Iterable[Path]): Files, which are kept, and folders, which are
            searched recursively.

    Returns:
        list[Path]: Files; those of a folder are sorted by path.
    """
    found = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        images = sorted(file for file in path.rglob('*')
                        if file.suffix.lower() in SUFFIXES and file.is_file())
        if not images:
            sys.exit(f'There is no image in {path}: expected files with the '
                     f'suffix {", ".join(SUFFIXES)}.')
        found += images
    return found


def tested_dataset(config: Config) -> dict:
    """Get the settings of the data set used for testing.

    Args:
        config (Config): Complete config.

    Returns:
        dict: The innermost data set if others wrap it; empty if there is
        none.
    """
    loaders = (config.get('test_dataloader'), config.get('val_dataloader'))
    dataset = next(filter(None, loaders), {}).get('dataset') or {}
    return _innermost(dataset)


def file_pipeline(config: Config) -> list[dict]:
    """Get the settings of the test transforms, starting from a file.

    If the data set of the config holds pixels (CIFAR), transforms are added
    that load a file, order its channels and resize it to the training size.

    Args:
        config (Config): Complete config.

    Returns:
        list[dict]: Transforms.
    """
    given = tested_dataset(config).get('pipeline')
    if not given:
        sys.exit('The config has no test transforms '
                 '(test_dataloader.dataset.pipeline). Give a config that has '
                 'them: --config FILE.')
    given = copy.deepcopy([dict(transform) for transform in given])
    if _name(given[0]).startswith('Load'):
        return given
    size = trained_size(config)
    if size is None:
        sys.exit('The data set of the config holds pixels, and no transform '
                 'sets their size, so files cannot be resized to match. Give '
                 'a config that loads files: --config FILE.')
    return [*load_pixels(config), dict(type='Resize', scale=size[::-1]),
            *given]


def load_pixels(config: Config) -> list[dict]:
    """Make transforms that load a file like the pixels of a data set.

    Args:
        config (Config): Config with a data set of RGB pixels.

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
    """Find the height and width of the training images.

    Args:
        config (Config): Complete config.

    Returns:
        tuple[int, int], optional: As set by the last sizing transform of the
        test, otherwise of training; None without one.
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
    """Pass an image of one colour through a pipeline and inspect it.

    Args:
        pipeline (Callable): Result of :func:`build_pipeline`.

    Returns:
        Colours: Number and order of channels, size and range.
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
