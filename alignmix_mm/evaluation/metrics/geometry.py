"""From boxes in the original image to boxes in the network's input."""
from collections.abc import Sequence

import numpy as np

from ..functional import resize_boxes


def boxes_in_input(sample: dict, center_crop: bool = False) -> np.ndarray:
    """Transform the boxes of a sample like its image.

    Args:
        sample (dict): Sample with ``loc_boxes``, ``(m, 4)``, and
            ``loc_size``, width and height of the image that they belong to;
            and the values of MMPretrain's ``PackInputs``: ``ori_shape``,
            ``img_shape`` and, if the image was resized, ``scale_factor``.
        center_crop (bool): Whether the resized image was center-cropped.
            Defaults to False.

    Returns:
        np.ndarray: Boxes in pixels of the input, ``(m, 4)``, int64.

    Raises:
        ValueError: If boxes belong to an image of a different size, or the
            pipeline changed the image in any other way.
    """
    # shapes are height and width, sizes width and height
    size = np.array(sample['img_shape'][1::-1])
    original = np.array(sample['ori_shape'][1::-1])
    if tuple(original) != tuple(sample['loc_size']):
        raise ValueError(
            f'Boxes of {sample.get("img_path")} belong to an image of '
            f'{_describe(sample["loc_size"])} pixels, but it has '
            f'{_describe(original)}. Use the original images.')
    resized = (original * sample.get('scale_factor', (1, 1))).round()
    resized = resized.astype(np.int64)
    cropped = (resized != size).any()
    if sample.get('flip') or cropped and not (center_crop and
                                              (resized >= size).all()):
        raise ValueError(
            'Expected test images that are only resized, like their boxes, '
            f'but {_describe(original)} became {_describe(resized)}, then '
            f'{_describe(size)}{", flipped" * bool(sample.get("flip"))}. '
            "Use dict(type='Resize', scale=(224, 224)); if a center crop "
            'follows, set Localization(center_crop=True).')
    boxes = resize_boxes(sample['loc_boxes'], tuple(original), tuple(resized))
    offset = np.tile(((resized - size) / 2).round().astype(np.int64), 2)
    return (boxes - offset).clip(0, np.tile(size - 1, 2)
                                 if cropped else None)


def _describe(size: Sequence[float]) -> str:
    return '{:g}x{:g}'.format(*size)
