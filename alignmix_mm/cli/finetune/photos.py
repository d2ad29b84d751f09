"""What is in a folder of photos."""
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
    """Images for training, validation or test.

    Attributes:
        prefix (str): Folder of the class folders, below the root.
        part (tuple[float, float]): Share of the images of each class.
        counts (dict[str, int]): Images by class.
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
        classes (tuple[str, ...]): Names, in the order of labels.
        splits (dict[str, Split]): By ``'train'``, ``'val'`` and ``'test'``,
            the last only if there is one.
        notes (tuple[str, ...]): What to know of them.
    """

    root: Path
    classes: tuple[str, ...]
    splits: dict[str, Split]
    notes: tuple[str, ...]


def find_photos(root: Path, val_share: float | None = None) -> Photos:
    """Look at a folder: its splits, its classes, its images.

    Args:
        root (Path): Has ``train``, and perhaps ``val`` and ``test``, with
            a folder for each class in them; or these folders themselves.
        val_share (float, optional): Share of the training images of each
            class that is for validation. Defaults to None: .2, if there is
            no folder for it.

    Returns:
        Photos: What is there. Mistakes end the process with a sentence.
    """
    if not root.is_dir():
        sys.exit(f'--data {root}: there is no such folder.')
    root = root.resolve()
    folders = {split: name for split, names in SPLITS.items()
               for name in names if _has_folders(root / name)}
    if 'train' not in folders:
        if folders:
            sys.exit(f'--data {root}: expected a folder `train` beside '
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
        sys.exit(f'--val-share is for folders without {folders["val"]}, but '
                 f'{root / folders["val"]} is there. Leave the option out.')
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
    """Names of the training classes, each of which has images."""
    if len(images) < 2:
        got = f'found only {listed(images)}' if images else 'found none'
        sys.exit(f'Expected a folder for each of two or more classes in '
                 f'{folder}, but {got}.')
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
        sys.exit(f'{folder} has classes that the training images lack: '
                 f'{listed(extra)}. The training classes are '
                 f'{listed(classes)}. Rename or remove the others.')
    if not len(found):
        sys.exit(f'Expected images of {listed(classes)} in {folder} for '
                 f'{split}, but found none.')
    missing = [name for name in classes if not found.counts[name]]
    if not missing:
        return []
    return [f'{split} has no image of {listed(missing)}; the labels of the '
            'other classes follow their names.']
