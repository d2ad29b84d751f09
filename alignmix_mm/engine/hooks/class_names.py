"""Check that labels mean the same classes everywhere."""
import logging
from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch.utils.data import Dataset

from ...datasets.class_folders import listed


@HOOKS.register_module()
class ClassNamesHook(Hook):
    """Compare class names by label, before the first step.

    Class folders are numbered in the order of their names. If a class has no
    folder in the validation set, all labels after it are shifted, and the
    accuracy is silently wrong. This hook compares the training set with the
    validation set, and the data with the checkpoint of a resumed run or a
    test. Data sets without class names are not checked.
    """

    def __init__(self) -> None:
        self._stored: Sequence[str] = ()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the class names of the checkpoint.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): The checkpoint.
        """
        meta = checkpoint.get('meta') or {}
        self._stored = (meta.get('dataset_meta') or {}).get('classes') or ()

    def before_train(self, runner: Runner) -> None:
        """Check the training and the validation set.

        Args:
            runner (Runner): The runner, after resuming.

        Raises:
            ValueError: If a label means different classes.
        """
        train = runner.train_loop.dataloader.dataset
        names = _names(train, 'train_dataloader')
        if runner.iter:  # resumed; pretrained weights may have other classes
            _compare(self._stored, names, 'the checkpoint',
                     'train_dataloader')
        if runner.val_loop is not None:
            val = runner.val_loop.dataloader.dataset
            _compare(names, _names(val, 'val_dataloader'),
                     'train_dataloader', 'val_dataloader')
            _compare(_folders(train), _folders(val), 'train_dataloader',
                     'val_dataloader', are_folders=True)

    def before_test(self, runner: Runner) -> None:
        """Check the test set.

        Args:
            runner (Runner): The runner, after loading the checkpoint.

        Raises:
            ValueError: If a label means different classes.
        """
        names = _names(getattr(runner.test_loop.dataloader, 'dataset', None),
                       'test_dataloader')
        _compare(self._stored, names, 'the checkpoint', 'test_dataloader')


def _names(dataset: Dataset | None, loader: str) -> Sequence[str]:
    """Class names by label; () if there are none."""
    names = (getattr(dataset, 'metainfo', None) or {}).get('classes') or ()
    folders = _folders(dataset)
    if {*folders} == {*names} and list(folders) != list(names):
        raise ValueError(
            f'Expected `classes` of {loader}.dataset in the order of the '
            f'folders, {listed(folders)}, but got {listed(names)}. Sort '
            "them, or set type='alignmix_mm.ClassFolders', whose labels "
            'follow `classes`.')
    return names


def _folders(dataset: Dataset | None) -> Sequence[str]:
    """Folders by label; () if labels do not come from folders."""
    numbers = getattr(dataset, 'folder_to_idx', None) or {}
    return sorted(numbers, key=numbers.get)


def _compare(expected: Sequence[str], names: Sequence[str], of: str,
             loader: str, are_folders: bool = False) -> None:
    wrong = [label for label, name in enumerate(names)
             if label >= len(expected) or name != expected[label]]
    if not (expected and names and wrong):
        return
    if not ({*expected} & {*names} or are_folders):
        # folders may be named differently: n01440764 is the tench
        print_log(
            f'The classes of {of} are {listed(expected, 3)}, those of '
            f'{loader}.dataset are {listed(names, 3)}. No name is the same, '
            'so label numbers are assumed to agree.', logger='current',
            level=logging.WARNING)
        return
    missing = [name for name in expected if name not in names]
    extra = [name for name in names if name not in expected]
    parts = [f'lacks {listed(missing)}'] * bool(missing) + [
        f'also has {listed(extra)}'] * bool(extra)
    where = f'{loader}.dataset'
    got = ' and '.join(parts) or f'has them in the order {listed(names)}'
    raise ValueError(
        f'Expected the classes of {of}, {listed(expected)}, but {where} '
        f'{got}: from label {wrong[0]} on, labels would mean different '
        "classes. Set type='alignmix_mm.ClassFolders' and the same "
        'classes=[...] in every data set, so that labels follow the names.')

