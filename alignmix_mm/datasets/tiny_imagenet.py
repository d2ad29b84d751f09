"""TinyImageNet, whose validation set has a special layout."""
from pathlib import Path

from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS

from ._rows import read_lines


@DATASETS.register_module()
class TinyImageNet(BaseDataset):
    """TinyImageNet: 200 classes, images of 64x64.

    It reads the unpacked folder ``tiny-imagenet-200``::

        wnids.txt
        train/<wnid>/images/<wnid>_<n>.JPEG      500 of each class
        val/images/val_<n>.JPEG                  10,000
        val/val_annotations.txt                  file, wnid, box

    Labels are indices into the sorted lines of ``wnids.txt``. The folder
    ``test`` has no labels and is not read.

    Args:
        data_root (str): The folder.
        split (str): ``'train'`` or ``'val'``. Defaults to ``'train'``.
        metainfo (dict, optional): Meta information. Defaults to None.
        **kwargs: Further arguments of ``BaseDataset``.

    Raises:
        ValueError: If the split is unknown, or an image of the validation set
            has an unknown class.
        FileNotFoundError: If a file or folder is missing.
    """

    def __init__(self,
                 data_root: str,
                 split: str = 'train',
                 metainfo: dict | None = None,
                 **kwargs) -> None:
        if split not in ('train', 'val'):
            raise ValueError("Expected `split` to be 'train' or 'val', but "
                             f'got {split!r}.')
        self.split = split
        wnids = self._read(Path(data_root, 'wnids.txt'))
        classes = sorted(line.strip() for _, line in wnids)
        super().__init__(
            ann_file='', data_root=data_root,
            metainfo={'classes': classes, **(metainfo or {})}, **kwargs)

    def load_data_list(self) -> list[dict]:
        """List ``img_path`` and ``gt_label`` of every image.

        Returns:
            list[dict]: In the order of the classes (train) or of the
            annotations (val).
        """
        labels = {wnid: n for n, wnid in enumerate(self.metainfo['classes'])}
        root = Path(self.data_root, self.split)
        if self.split == 'val':
            return self._load_val(root, labels)
        images = []
        for wnid, label in labels.items():
            found = sorted((root / wnid / 'images').glob('*.JPEG'))
            if not found:
                raise FileNotFoundError(
                    f'There are no images {root / wnid / "images"}/*.JPEG.')
            images += [dict(img_path=str(path), gt_label=label)
                       for path in found]
        return images

    def _load_val(self, root: Path, labels: dict[str, int]) -> list[dict]:
        path = root / 'val_annotations.txt'
        images = []
        for number, line in self._read(path):
            name, wnid = (*line.split(), '', '')[:2]
            if wnid not in labels:
                raise ValueError(f'{path}, line {number}, {line!r}: there is '
                                 f'no class {wnid} in wnids.txt.')
            images.append(dict(img_path=str(root / 'images' / name),
                               gt_label=labels[wnid]))
        return images

    @staticmethod
    def _read(path: Path) -> list[tuple[int, str]]:
        if not path.is_file():
            raise FileNotFoundError(
                f'There is no file {path}. Expected the unpacked folder '
                'tiny-imagenet-200.')
        return read_lines(path)
