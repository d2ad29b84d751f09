"""What is drawn for an image follows from its place in the run."""
import copy
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import (
    BaseDataset,
    ClassBalancedDataset,
    DefaultSampler,
    InfiniteSampler,
    RepeatDataset,
    pseudo_collate,
)
from mmpretrain.datasets import RepeatAugSampler
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    WeightedRandomSampler,
)

from alignmix_mm.engine import seeding


def draw(number):
    """What shows, and a number of each library that transforms draw from."""
    return dict(number=number, drawn=(
        random.random(), np.random.rand(), float(torch.rand(()))))


class Plain(Dataset):
    """No `sample_idx`, no pipeline: nothing but numbers."""

    def __init__(self, size=5):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return draw(range(self.size)[index])


class Numbers(BaseDataset):
    """Classes of 1, 2 and 4 images."""

    def load_data_list(self):
        return [dict(number=n, gt_label=label)
                for n, label in enumerate([0, 1, 1, 2, 2, 2, 2])]

    def get_cat_ids(self, idx):
        return [self.get_data_info(idx)['gt_label']]


def labelled():
    return Numbers(pipeline=[lambda data: draw(data['number'])])


class Batched(Plain):
    """Reads whole batches by itself."""

    def __getitems__(self, indices):
        return [draw(index) for index in indices]


def read(dataset, epoch=0, seed=3, sampler=None, workers=0, passes=1):
    """Items of a loader that draws by places, one list for each pass."""
    loader = DataLoader(
        dataset, batch_size=4, num_workers=workers, collate_fn=pseudo_collate,
        sampler=sampler, persistent_workers=workers > 0)
    epochs = iter(range(epoch, epoch + passes))
    assert seeding.place_batches(loader, seed, lambda: next(epochs))
    read = [[(number, drawn) for batch in loader for number, drawn in zip(
        batch['number'], zip(*batch['drawn']))] for _ in range(passes)]
    if workers:
        loader._iterator._shutdown_workers()
    return read


COPIES = {
    'RepeatDataset': lambda: RepeatDataset(labelled(), times=5),
    'ClassBalancedDataset': lambda: ClassBalancedDataset(
        labelled(), oversample_thr=.9),
    'nested': lambda: ConcatDataset(
        [RepeatDataset(labelled(), times=2), labelled()]),
    'Subset': lambda: Subset(Plain(), [1, 1, 1, 3]),
    'without sample_idx': lambda: ConcatDataset([Plain()] * 3),
    'read in batches': lambda: ConcatDataset([Batched()] * 3)}


@pytest.mark.parametrize('name', COPIES)
def test_copies_of_an_image_are_drawn_apart(name):
    first, second = read(COPIES[name](), passes=2)
    numbers = [number for number, _ in first]
    assert len(set(numbers)) < len(numbers)
    drawn = [value for items in (first, second)
             for _, values in items for value in values]
    assert len(set(drawn)) == len(drawn)
    # and once more, also from the second pass on: the same
    assert read(COPIES[name](), passes=2) == [first, second]
    assert read(COPIES[name](), epoch=1) == [second]
    assert read(COPIES[name](), seed=4)[0] != first


SAMPLERS = {
    'DefaultSampler': lambda data: DefaultSampler(data, seed=1),
    'RepeatAugSampler': lambda data: RepeatAugSampler(data, seed=1),
    'with replacement': lambda data: WeightedRandomSampler(
        torch.ones(len(data)), 20)}


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('name', SAMPLERS)
def test_samplers_that_repeat(name, workers):
    """Those that draw from torch's generator have an order of their own."""
    data = Plain(13)
    torch.manual_seed(1)
    whole = read(data, passes=2, sampler=SAMPLERS[name](data))
    torch.manual_seed(2)
    data = Plain(13)
    again = read(data, passes=2, sampler=SAMPLERS[name](data),
                 workers=workers)
    assert again == whole
    drawn = [values for items in whole for _, values in items]
    assert len(set(drawn)) == len(drawn)


def test_ranks_draw_apart(monkeypatch):
    first, = read(Plain())
    monkeypatch.setattr(seeding, 'get_rank', lambda: 1)
    second, = read(Plain())
    assert [n for n, _ in first] == [n for n, _ in second]
    assert not {d for _, d in first} & {d for _, d in second}


def test_batches_are_left_out_once():
    data = Plain(11)
    loader = DataLoader(data, batch_size=4, collate_fn=list)
    whole = list(DataLoader(data, batch_size=4, collate_fn=list))
    batches = seeding.place_batches(loader, 3, lambda: 0)
    whole = list(loader)
    batches.skip = 2
    assert list(loader) == whole[2:]
    assert list(loader) == whole and len(loader) == 3


def test_another_loader_reads_the_same_data_as_before():
    data = Plain()
    loader = DataLoader(data, batch_size=2, collate_fn=list)
    seeding.place_batches(loader, 3, lambda: 0)
    seeding.place_batches(loader, 3, lambda: 0)  # twice is once
    assert not isinstance(loader.batch_sampler.batches,
                          seeding.PlacedBatches)
    other = DataLoader(data, batch_size=2, collate_fn=list)
    seen = {item['drawn'] for _ in range(2) for batch in other
            for item in batch}
    assert len(seen) == 10  # nothing is seeded for it
    twin = copy.deepcopy(loader.batch_sampler)
    assert len(twin) == 3 and twin.seed == 3


def test_an_infinite_sampler_has_one_pass():
    data = Plain(3)
    loader = DataLoader(data, batch_size=2, collate_fn=list,
                        sampler=InfiniteSampler(data, seed=1))
    seeding.place_batches(loader, 3, lambda: 0)
    batches = iter(loader)
    drawn = [item['drawn'] for _ in range(9) for item in next(batches)]
    assert len(set(drawn)) == 18


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(3))


@pytest.mark.parametrize('loader', [
    DataLoader(Stream(), batch_size=2), DataLoader(Plain(), batch_size=None)],
    ids=['a stream', 'single items'])
def test_what_has_no_places_is_left_alone(loader):
    assert seeding.place_batches(loader, 3, lambda: 0) is None
    assert len(list(loader)) > 1


class Draws:
    """A batch augmentation of somebody else."""

    alpha = .5

    def __call__(self, inputs, scores):
        return np.random.beta(self.alpha, self.alpha), random.random()


def test_what_is_drawn_for_a_batch_is_the_ranks_own(monkeypatch):
    drawn = {}
    for rank in (0, 1):
        monkeypatch.setattr(seeding, 'get_rank', lambda rank=rank: rank)
        augment = seeding.OwnNumbers(Draws())
        drawn[rank] = []
        for step in range(4):
            seeding.seed_numbers(3, step)
            choice = np.random.choice(5)
            drawn[rank].append((choice, augment(None, None)))
    choices, values = zip(*(zip(*drawn[rank]) for rank in (0, 1)))
    assert choices[0] == choices[1]
    assert len(set(values[0] + values[1])) == 8
    augment.alpha = 2.
    assert augment.alpha == augment.augment.alpha == 2.
    assert copy.deepcopy(augment).alpha == 2.
