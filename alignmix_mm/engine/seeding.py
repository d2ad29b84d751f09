"""Random numbers that follow from a place in the run.

A place is where an image stands in what a process trains on: process, epoch,
batch and number in the batch. What the image shows is no part of it, so
copies of one image, from data sets or samplers that repeat, are augmented
differently.
"""
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.dist import get_rank
from torch.utils.data import DataLoader, Dataset, IterableDataset


class Placed(NamedTuple):
    """An index of a data set, and where in the run it is read.

    Attributes:
        index (Any): What the sampler drew.
        key (tuple[int, ...]): Seed of the run, then the place.
    """

    index: Any
    key: tuple[int, ...]


class PlacedBatches:
    """A batch sampler whose indices know their places.

    Args:
        batches (Iterable): The batch sampler.
        seed (int): Seed of the run.
        count_epochs (Callable): Returns the number of the epoch, when its
            first batch is drawn.

    Attributes:
        skip (int): Batches that the next epoch leaves out, as they have been
            trained on before an interruption.
    """

    def __init__(self, batches: Any, seed: int,
                 count_epochs: Callable[[], int]) -> None:
        self.batches = batches
        self.seed = seed
        self.count_epochs = count_epochs
        self.skip = 0

    def __iter__(self) -> Iterator[list[Placed]]:
        skip, self.skip = self.skip, 0
        epoch = self.count_epochs()
        _seed_all(self.seed, epoch)  # samplers without a seed of their own
        place = self.seed, get_rank(), epoch
        for number, batch in islice(enumerate(self.batches), skip, None):
            yield [Placed(index, (*place, number, position))
                   for position, index in enumerate(batch)]

    def __len__(self) -> int:
        return len(self.batches)

    def __getattr__(self, name: str) -> Any:
        if name == 'batches':  # while it is copied
            raise AttributeError(name)
        return getattr(self.batches, name)


class SeededItems:
    """What a data loader calls to read a batch, as ``dataset.__getitems__``.

    Numbers are seeded by the place of each image, in whatever process reads
    it. A data set that reads whole batches by itself is seeded by the place
    of the last one.

    Args:
        dataset (Dataset): The outermost data set of a loader.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.read_batch = getattr(dataset, '__getitems__', None)

    def __call__(self, indices: Sequence) -> list:
        """Read a batch.

        Args:
            indices (Sequence): Indices, or :class:`Placed` ones.

        Returns:
            list: The items.
        """
        if self.read_batch is not None:
            return self.read_batch([_enter(index) for index in indices])
        return [self.dataset[_enter(index)] for index in indices]


def _enter(index: Any) -> Any:
    """Seed by the place of an index; those of other loaders have none."""
    if not isinstance(index, Placed):
        return index
    _seed_all(*index.key)
    return index.index


def _seed_all(*key: int) -> None:
    seed_numbers(*key)
    # the generator of the CPU alone, which a worker may seed
    torch.default_generator.manual_seed(torch_seed(*key))


def place_batches(loader: DataLoader, seed: int,
                  count_epochs: Callable[[], int]) -> PlacedBatches | None:
    """Let a data loader draw by places.

    Args:
        loader (DataLoader): Changed in place, before it is iterated.
        seed (int): Seed of the run.
        count_epochs (Callable): See :class:`PlacedBatches`.

    Returns:
        PlacedBatches, optional: None if the loader draws no batches of
        indices, so its images have no places.
    """
    batches = getattr(loader, 'batch_sampler', None)
    if batches is None or isinstance(loader.dataset, IterableDataset):
        return None
    if not isinstance(getattr(loader.dataset, '__getitems__', None),
                      SeededItems):
        loader.dataset.__getitems__ = SeededItems(loader.dataset)
    if isinstance(batches, PlacedBatches):
        batches = batches.batches
    placed = PlacedBatches(batches, seed, count_epochs)
    # the loader refuses others, as they could have another batch size
    object.__setattr__(loader, 'batch_sampler', placed)
    return placed


class OwnNumbers:
    """A batch augmentation whose NumPy numbers are those of this process.

    Which of several augmentations a step takes is drawn on all processes
    alike; what it draws then would be alike too.

    Args:
        augment (Callable): A batch augmentation.
    """

    def __init__(self, augment: Callable) -> None:
        object.__setattr__(self, 'augment', augment)

    def __call__(self, *args: Any) -> Any:
        """Seed by the shared numbers and the rank, then augment."""
        seed_numbers(np.random.randint(2**31), get_rank())  # noqa: NPY002
        return self.augment(*args)

    def __getattr__(self, name: str) -> Any:
        if name == 'augment':  # while it is copied
            raise AttributeError(name)
        return getattr(self.augment, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.augment, name, value)


def seed_numbers(*key: int) -> None:
    """Seed what transforms and MMPretrain's batch augmentations draw from.

    Args:
        *key (int): Seed and place, not negative.
    """
    numbers = np.random.SeedSequence(key).generate_state(2).tolist()
    random.seed(numbers[0])
    np.random.seed(numbers[1])  # noqa: NPY002


def torch_seed(*key: int) -> int:
    """Seed of torch's generator.

    Args:
        *key (int): Seed and place, not negative.

    Returns:
        int: From 0 to ``2**32 - 1``.
    """
    return int(np.random.SeedSequence(key).generate_state(3)[2])
