"""Inspect a folder of photos."""
import sys
from dataclasses import dataclass
from pathlib import Path

from ...datasets.class_folders import (
    EXTENSIONS,
    images_of_classes,
    listed,
    part_of,
)

SPLITS = {'train': ('train', 'training'),
          'val': ('val', 'valid', 'validation'),
          'test': ('test', 'testing')}
VAL_SHARE = .2


@dataclass(frozen=True)
class Split:
    """The images for training, validation or test.

    Attributes:
        prefix (str): Folder of the class folders, relative to the root.
        part (tuple[float, float]): Start and end of the part of each class
            that is used, from 0 to 1.
        counts (dict[str, int]): Number of images by class.
    """

    prefix: str
    part: tuple[float, float]
    counts: dict[str, int]

    def __len__(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Photos:
    """A folder of photos.

    Attributes:
        root (Path): The folder.
        classes (tuple[str, ...]): Class names, in the order of labels.
        splits (dict[str, Split]): By ``'train'``, ``'val'`` and, if there is
            such a folder, ``'test'``.
        notes (tuple[str, ...]): Remarks for the user.
    """

    root: Path
    classes: tuple[str, ...]
    splits: dict[str, Split]
    notes: tuple[str, ...]


def find_photos(root: Path, val_share: float | None = None) -> Photos:
    """Inspect a folder: its splits, its classes and its images.

    Args:
        root (Path): Folder that holds ``train`` and perhaps ``val`` and
            ``test``, each with a folder per class; or the class folders
            themselves.
        val_share (float, optional): Share of the training images of each
            class to use for validation. Defaults to None: 0.2 if there is no
            folder for validation.

    Returns:
        Photos: What was found. A mistake ends the process with one sentence.
    """
    if not root.is_dir():
        sys.exit(f'--data {root}: there is no such folder.')
    root = root.resolve()
    folders = {split: path.name for path in sorted(root.iterdir())
               for split, names in SPLITS.items()
               if path.name.lower() in names and _has_folders(path)}
    if 'train' not in folders:
        if folders:
            sys.exit(f'--data {root}: expected a folder `train` next to '
                     f'{listed(folders.values())}, but there is none.')
        folders = {'train': ''}
    images = {split: images_of_classes(root / name)
              for split, name in folders.items()}
    classes = _classes(root / folders['train'], images['train'])
    parts = {split: (0., 1.) for split in folders}
    if 'val' not in folders:
        share = VAL_SHARE if val_share is None else val_share
        folders['val'], images['val'] = folders['train'], images['train']
        parts.update(val=(0., share), train=(share, 1.))
    elif val_share is not None:
        sys.exit('--val-share is only for folders without validation images, '
                 f'but {root / folders["val"]} exists. Leave the option out.')
    splits, notes = {}, []
    for split, name in folders.items():
        splits[split] = Split(name, parts[split], {
            label: len(part_of(images[split].get(label, []), parts[split]))
            for label in classes})
        notes += _check(split, root / name, classes, images[split],
                        splits[split])
    return Photos(root, classes, splits, tuple(notes))


def _has_folders(folder: Path) -> bool:
    return folder.is_dir() and any(
        path.is_dir() and not path.name.startswith('.')
        for path in folder.iterdir())


def _classes(folder: Path, images: dict[str, list[str]]) -> tuple[str, ...]:
    """Names of the training classes; exit unless each has images."""
    if len(images) < 2:
        got = f'found only {listed(images)}' if images else 'found none'
        sys.exit(f'Expected two or more folders in {folder}, one per class, '
                 f'but {got}.')
    empty = [name for name, paths in images.items() if not paths]
    if empty:
        sys.exit(f'Expected images ({" ".join(EXTENSIONS)}) in every class '
                 f'folder of {folder}, but these have none: {listed(empty)}. '
                 'Add some, or remove the folders.')
    return tuple(images)


def _check(split: str, folder: Path, classes: tuple[str, ...],
           images: dict[str, list[str]], found: Split) -> list[str]:
    extra = [name for name in images if images[name] and name not in classes]
    if extra:
        sys.exit(f'{folder} has classes without training images: '
                 f'{listed(extra)}. The training classes are '
                 f'{listed(classes)}. Rename or remove the others.')
    if not len(found):
        sys.exit(f'Expected images of {listed(classes)} in {folder} for '
                 f'{split}, but found none. Add some for each class: val gets '
                 'no image of a class that has only one.')
    missing = [name for name in classes if not found.counts[name]]
    if not missing:
        return []
    return [f'{split} has no image of {listed(missing)}; the labels of the '
            'other classes stay correct.']
