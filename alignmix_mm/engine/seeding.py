"""Random numbers that depend on the place in the run.

The place of an image is given by the process, the epoch, the batch and the
position in the batch. The image itself does not matter, so copies of one image
(from a repeating data set or sampler) are augmented differently.
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
    """An index of a data set, with the place in the run where it is read.

    Attributes:
        index (Any): The index drawn by the sampler.
        key (tuple[int, ...]): Seed of the run, followed by the place.
    """

    index: Any
    key: tuple[int, ...]


class PlacedBatches:
    """A batch sampler that returns indices with their places.

    Args:
        batches (Iterable): The batch sampler.
        seed (int): Seed of the run.
        count_epochs (Callable): Returns the number of the epoch; called when
            its first batch is drawn.

    Attributes:
        skip (int): Number of batches that the next epoch leaves out, because
            they were trained on before an interruption.
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
        _seed_all(self.seed, epoch)  # for samplers without their own seed
        place = self.seed, get_rank(), epoch
        for number, batch in islice(enumerate(self.batches), skip, None):
            yield [Placed(index, (*place, number, position))
                   for position, index in enumerate(batch)]

    def __len__(self) -> int:
        return len(self.batches)

    def __getattr__(self, name: str) -> Any:
        if name == 'batches':  # while it is being copied
            raise AttributeError(name)
        return getattr(self.batches, name)


class SeededItems:
    """Replacement for ``dataset.__getitems__``, which reads a batch.

    Before each image is read, random numbers are seeded by its place, in
    whatever process reads it. If the data set reads whole batches itself, the
    place of the last image is the seed.

    Args:
        dataset (Dataset): The outermost data set of a loader.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.read_batch = getattr(dataset, '__getitems__', None)

    def __call__(self, indices: Sequence) -> list:
        """Read a batch.

        Args:
            indices (Sequence): Indices, with or without places.

        Returns:
            list: The items.
        """
        if self.read_batch is not None:
            return self.read_batch([_enter(index) for index in indices])
        return [self.dataset[_enter(index)] for index in indices]


def _enter(index: Any) -> Any:
    """Seed by the place of an index, if it has one, and return the index."""
    if not isinstance(index, Placed):
        return index
    _seed_all(*index.key)
    return index.index


def _seed_all(*key: int) -> None:
    seed_numbers(*key)
    # only the CPU generator, which workers may seed
    torch.default_generator.manual_seed(torch_seed(*key))


def place_batches(loader: DataLoader, seed: int,
                  count_epochs: Callable[[], int]) -> PlacedBatches | None:
    """Make a data loader seed each image by its place.

    Args:
        loader (DataLoader): The loader, changed in place. It must not have
            been iterated yet.
        seed (int): Seed of the run.
        count_epochs (Callable): See :class:`PlacedBatches`.

    Returns:
        PlacedBatches, optional: The new batch sampler; None if the loader
        does not draw batches of indices, so its images have no places.
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
    # DataLoader forbids assigning a new batch sampler
    object.__setattr__(loader, 'batch_sampler', placed)
    return placed


class OwnNumbers:
    """A batch augmentation that draws different numbers on each process.

    All processes draw the same augmentation for a step. Without this class,
    its NumPy numbers would be the same on all processes too.

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
        if name == 'augment':  # while it is being copied
            raise AttributeError(name)
        return getattr(self.augment, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.augment, name, value)


def seed_numbers(*key: int) -> None:
    """Seed ``random`` and NumPy, for transforms and batch augmentations.

    Args:
        *key (int): Seed and place, not negative.
    """
    numbers = np.random.SeedSequence(key).generate_state(2).tolist()
    random.seed(numbers[0])
    np.random.seed(numbers[1])  # noqa: NPY002


def torch_seed(*key: int) -> int:
    """Compute a seed for torch's generator.

    Args:
        *key (int): Seed and place, not negative.

    Returns:
        int: From 0 to ``2**32 - 1``.
    """
    return int(np.random.SeedSequence(key).generate_state(3)[2])
