"""Images in folders of classes, whose labels follow from their names."""
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmpretrain.datasets import CustomDataset
from mmpretrain.registry import DATASETS

EXTENSIONS = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif',
              '.tiff', '.webp')


@DATASETS.register_module()
class ClassFolders(CustomDataset):
    """``CustomDataset`` whose labels are indices into ``classes``.

    ``CustomDataset`` numbers the folders that it finds, so a missing folder
    shifts the labels of all later classes. Here a class of ``classes`` may
    have no folder, and a folder that is not in ``classes`` is an error.

    One folder can serve for training and validation: ``part`` selects a share
    of the images of each class, always the same images.

    Args:
        data_root (str): The root directory. Defaults to ''.
        data_prefix (str | dict): Folder of the class folders, below
            ``data_root``. Defaults to ''.
        part (tuple[float, float]): The images of each class from one share
            to another, in an order that depends only on their names: (0, .2)
            and (.2, 1) have no image in common, and together contain all of
            them. Defaults to (0., 1.).
        extensions (Sequence[str]): Endings of files that are images.
            Defaults to those that OpenCV reads.
        **kwargs: Arguments of ``CustomDataset``, including ``classes``.

    Raises:
        ValueError: If a folder is not among ``classes``, if ``part`` is
            invalid, or if there is no image.
    """

    def __init__(self, data_root: str = '', data_prefix: str | dict = '',
                 part: tuple[float, float] = (0., 1.),
                 extensions: Sequence[str] = EXTENSIONS, **kwargs) -> None:
        if not 0 <= part[0] < part[1] <= 1:
            raise ValueError('Expected `part` to be two shares, 0 <= from < '
                             f'to <= 1, but got {part}.')
        self.part = part
        super().__init__(data_root=data_root, data_prefix=data_prefix,
                         extensions=extensions, **kwargs)

    def _find_samples(self) -> list[tuple[str, int]]:
        images = images_of_classes(Path(self.img_prefix), self.extensions)
        if self.CLASSES is None:
            self._metainfo['classes'] = tuple(images)
        unknown = [name for name, paths in images.items()
                   if paths and name not in self.CLASSES]
        if unknown:
            raise ValueError(
                f'Expected folders of the classes {listed(self.CLASSES)} in '
                f'{self.img_prefix}, but found {listed(unknown)} too. Remove '
                'or rename these, or add them to `classes` everywhere.')
        self.folder_to_idx = self.class_to_idx
        samples = [(path, self.folder_to_idx[name])
                   for name, paths in images.items() if paths
                   for path in part_of(paths, self.part)]
        if not samples:
            raise ValueError(f'Expected images in {self.img_prefix}, in one '
                             'folder for each class, but found none '
                             f'({", ".join(sorted(self.extensions))}).')
        return samples


def images_of_classes(folder: Path, extensions: Iterable[str] = EXTENSIONS
                      ) -> dict[str, list[str]]:
    """Find the images of each class.

    Args:
        folder (Path): Folder with a folder for each class, which may contain
            others. Names that start with a dot are ignored.
        extensions (Iterable[str]): Endings of files that are images.

    Returns:
        dict[str, list[str]]: Classes in the order of their names, and the
        paths of their images below ``folder``.
    """
    endings = tuple(extensions)
    classes = sorted(path.name for path in folder.iterdir()
                     if path.is_dir() and not path.name.startswith('.'))
    found = {name: [] for name in classes}
    for name, paths in found.items():
        for place, _, files in os.walk(folder / name):
            below = Path(place).relative_to(folder).as_posix()
            paths += [f'{below}/{file}' for file in files
                      if file.lower().endswith(endings)
                      and not file.startswith('.')]
        paths.sort()
    return found


def part_of(paths: Sequence[str], part: tuple[float, float]) -> list[str]:
    """Select images of a class, by a hash of their names.

    Args:
        paths (Sequence[str]): All images of the class.
        part (tuple[float, float]): Start and end of the selected share.

    Returns:
        list[str]: The images, sorted by name. If there are at least two, both
        of two complementary parts have at least one.
    """
    drawn = sorted(paths, key=lambda path: hashlib.sha256(
        path.encode()).digest())
    start, end = (_cut(share, len(paths)) for share in part)
    return sorted(drawn[start:end])


def listed(names: Iterable[str], most: int = 8) -> str:
    """List names in a sentence.

    Args:
        names (Iterable[str]): The names.
        most (int): Maximum number of names. Defaults to 8.

    Returns:
        str: The names, and how many more there are.
    """
    names = list(map(str, names))
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(names[:most]) + more


def _cut(share: float, count: int) -> int:
    """Images before a share; with two images, neither part is empty."""
    if share in (0, 1) or count < 2:
        return 0 if share < 1 else count
    return min(max(round(share * count), 1), count - 1)
