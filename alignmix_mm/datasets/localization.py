"""Data sets with boxes, for weakly-supervised localization."""
import logging
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from mmpretrain.datasets import CUB, BaseDataset
from mmpretrain.registry import DATASETS
from PIL import Image

from ._rows import Row, read_lines, read_rows

_ORIENTATION = 0x0112  # EXIF tag; values 5 to 8 rotate by 90 degrees


class _WithBoxes(BaseDataset):
    """Gives every sample ``loc_boxes``, which transforms do not change.

    They are ``x0 y0 x1 y1`` in pixels of the original image, ``(m, 4)``,
    float64; the metric scales them. ``loc_size`` is the width and height of
    the original image.
    """

    def prepare_data(self, idx: int) -> dict | None:
        """Run the pipeline and attach the boxes.

        Args:
            idx (int): Index of the image.

        Returns:
            dict, optional: ``inputs`` and ``data_samples``, with
            ``loc_boxes``.
        """
        info = self.get_data_info(idx)
        boxes = np.array(info.pop('loc_boxes'), np.float64)
        size = tuple(info.pop('loc_size'))
        data = self.pipeline(info)
        if data is not None:
            data['data_samples'].set_field(boxes, 'loc_boxes')
            data['data_samples'].set_metainfo(dict(loc_size=size))
        return data


@DATASETS.register_module()
class CUBWithBoxes(_WithBoxes, CUB):
    """CUB-200-2011 with its bounding boxes.

    It needs only an official folder: ``images.txt``,
    ``image_class_labels.txt``, ``train_test_split.txt`` and
    ``bounding_boxes.txt`` with lines of ``id x y width height``. Samples have
    ``loc_boxes``, ``(1, 4)``: ``x, y, min(x + width, W - 1), min(y + height,
    H - 1)``, as in Choe et al. (2020). Any data set in this layout can be
    read. Classes have the names of ``classes.txt``, if it exists.

    Args:
        data_root (str): The folder.
        split (str): ``'train'`` or ``'test'``. Defaults to ``'test'``:
            training needs no boxes.
        **kwargs: Further arguments of ``CUB``.

    Raises:
        FileNotFoundError: If the file of boxes is missing.
        ValueError: If one of its lines does not fit the images.
    """

    def __init__(self, data_root: str, split: str = 'test', **kwargs) -> None:
        names = Path(data_root, 'classes.txt')
        if names.is_file():
            kwargs.setdefault('classes', [
                line.strip().split(maxsplit=1)[-1]
                for _, line in read_lines(names)])
        super().__init__(data_root, split, **kwargs)
        self._metainfo['split'] = split

    def _load_data_from_txt(self, filepath: str) -> dict[int, str]:
        """Read lines of a number and a text, keyed by the number minus 1.

        MMPretrain's method fails on a byte-order mark and on empty lines.
        """
        path, pairs = Path(filepath), {}
        for number, line in read_lines(path):
            key, *values = line.strip().split(maxsplit=1)
            if not (key.isdecimal() and values):
                raise Row(path, number, line, key, []).error(
                    'expected a number and its value')
            pairs[int(key) - 1] = values[0]
        return pairs

    def load_data_list(self) -> list[dict]:
        """Load images, labels and boxes.

        Returns:
            list[dict]: ``img_path``, ``gt_label``, ``loc_boxes`` and
            ``loc_size``.
        """
        infos = {info['img_path']: info for info in super().load_data_list()}
        # MMPretrain counts the identifiers from 0
        images = {str(number + 1): self.backend.join_path(
                      self.img_prefix, name)
                  for number, name in self._load_data_from_txt(
                      self.ann_file).items()}
        path = Path(self.data_root, 'bounding_boxes.txt')
        if not path.is_file():
            raise FileNotFoundError(
                f'There are no boxes: {path} is missing. It is part of '
                'CUB-200-2011. Without boxes, use the data set CUB and leave '
                'the metric Localization out.')
        cut = []
        for row in read_rows(path, ('id', 'x', 'y', 'width', 'height')):
            if row.key not in images:
                raise row.error('there is no image with this id in images.txt')
            x, y, width, height = row.values
            if not (width > 0 and height > 0):
                raise row.error('width and height have to be positive')
            info = infos.get(images[row.key])
            if info is None:  # it is in the other split
                continue
            size = _image_size(info['img_path'])
            box = (x, y, x + width, y + height)
            if _ends_outside(row, box, size):
                cut.append(row)
            info['loc_size'] = size
            info.setdefault('loc_boxes', []).append(
                np.minimum(box, np.tile(size, 2) - 1).tolist())
        _warn_of_cut(cut)
        _check_all_have_boxes(infos, path)
        return list(infos.values())


@DATASETS.register_module()
class WSOLMetadata(_WithBoxes):
    """Images listed in a metadata folder of Choe et al. (2020).

    The folder, e.g. ``metadata/CUB/val``, holds ``image_ids.txt`` (paths),
    ``class_labels.txt`` (``path,label``), ``image_sizes.txt``
    (``path,width,height``) and ``localization.txt`` (``path,x0,y0,x1,y1``, a
    line for each box). Samples have these boxes as ``loc_boxes``, ``(m, 4)``.

    Args:
        metadata (str): The folder of these files.
        data_root (str): The folder that the paths are relative to.
        metainfo (dict, optional): Meta information. Defaults to None.
        **kwargs: Further arguments of ``BaseDataset``.

    Raises:
        FileNotFoundError: If one of the files is missing.
        ValueError: If a line does not fit the images.
    """

    def __init__(self,
                 metadata: str,
                 data_root: str,
                 metainfo: dict | None = None,
                 **kwargs) -> None:
        self.metadata = Path(metadata)
        super().__init__(ann_file='', metainfo=metainfo, data_root=data_root,
                         **kwargs)
        self._metainfo['split'] = self.metadata.name

    def load_data_list(self) -> list[dict]:
        """Load images, labels and boxes.

        Returns:
            list[dict]: ``img_path``, ``gt_label``, ``loc_boxes`` and
            ``loc_size``.
        """
        ids = self._read('image_ids.txt', 'path')
        infos = {row.key: dict(img_path=str(Path(self.img_prefix, row.key)))
                 for row in ids}
        for row in self._of(infos, 'class_labels.txt', 'label'):
            if not (row.values[0] >= 0 and row.values[0].is_integer()):
                raise row.error('a label has to be an integer from 0')
            infos[row.key]['gt_label'] = int(row.values[0])
        sizes = {row.key: row.values for row in self._of(
            infos, 'image_sizes.txt', 'width', 'height')}
        for row in self._of(infos, 'localization.txt', 'x0', 'y0', 'x1',
                            'y1'):
            x0, y0, x1, y1 = row.values
            if x1 < x0 or y1 < y0:
                raise row.error('x1 has to be at least x0, and y1 at least y0')
            if row.key not in sizes:
                raise row.error('its size is not in image_sizes.txt')
            if _ends_outside(row, row.values, sizes[row.key]):
                raise row.error('the box ends outside the image, which is '
                                '{:g} x {:g}'.format(*sizes[row.key]))
            info = infos[row.key]
            info['loc_size'] = sizes[row.key]
            info.setdefault('loc_boxes', []).append(row.values)
        for name, info in infos.items():
            if 'gt_label' not in info:
                raise ValueError(f'{self.metadata / "class_labels.txt"} has '
                                 f'no label of {name}.')
        _check_all_have_boxes(infos, self.metadata / 'localization.txt')
        return list(infos.values())

    def _read(self, name: str, *fields: str) -> list[Row]:
        return list(read_rows(self.metadata / name, fields, ','))

    def _of(self, infos: dict, name: str, *fields: str) -> list[Row]:
        """Lines of a file, checked to be of known images."""
        rows = self._read(name, 'path', *fields)
        for row in rows:
            if row.key not in infos:
                raise row.error('there is no such image in image_ids.txt')
        return rows


def _image_size(path: str) -> tuple[int, int]:
    """Width and height of an image as it will be loaded, from its header."""
    with Image.open(path) as image:
        width, height = image.size
        turned = image.getexif().get(_ORIENTATION, 1) > 4
    return (height, width) if turned else (width, height)


def _ends_outside(row: Row, box: tuple[float, ...],
                  size: tuple[float, float]) -> bool:
    """Whether a box ends outside the image, by more than rounding.

    Raises:
        ValueError: If the box starts outside or has its centre there.
    """
    low, high, size = np.array(box[:2]), np.array(box[2:]), np.array(size)
    if not ((low >= 0).all() and ((low + high) / 2 < size).all()):
        raise row.error('the box is not inside the image, which is '
                        '{:g} x {:g}'.format(*size))
    return bool((high > size + 1).any())


def _warn_of_cut(rows: list[Row]) -> None:
    if rows:
        print_log(
            f'{len(rows)} boxes end outside their image and are cut off, '
            f'the first in {rows[0].path}, line {rows[0].line}, '
            f'{rows[0].text!r}.', logger='current', level=logging.WARNING)


def _check_all_have_boxes(infos: dict[str, dict], path: Path) -> None:
    for name, info in infos.items():
        if 'loc_boxes' not in info:
            raise ValueError(f'{path} has no box of {name}.')
