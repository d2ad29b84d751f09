"""Random numbers that depend on the step, not on what ran before it."""
import random
from collections.abc import Callable

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmpretrain.registry import HOOKS
from torch.utils.data import Dataset


@HOOKS.register_module()
class ReproducibleHook(Hook):
    """Make a resumed run what it would have been without the interruption.

    MMEngine seeds torch, numpy and ``random`` at the start of a process, so a
    resumed run repeats the numbers of the first epoch. Here they are seeded
    in every step, from ``(seed, step)``, torch with the rank too, and before
    an image is transformed, from ``(seed, epoch, index)``: augmentations are
    the same with any number of workers too. The order of the data follows the
    seed that the checkpoint has.

    Images of loops that do not count epochs are transformed as MMEngine does
    it, which loads all earlier batches again on resuming.

    On a GPU, add ``randomness=dict(deterministic=True)`` for the same bits;
    without, kernels sum in any order.
    """

    def __init__(self) -> None:
        # read by workers that outlive the epoch
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def before_train(self, runner: Runner) -> None:
        """Seed the order of the data.

        Args:
            runner (Runner): The runner, which has resumed already.
        """
        # The sampler was built before the seed of the checkpoint was known.
        # With `diff_rank_seed`, it has a random one.
        self._seed = runner.seed
        if runner._randomness_cfg.get('diff_rank_seed'):
            self._seed -= get_rank()
        sampler = getattr(runner.train_loop.dataloader, 'sampler', None)
        if hasattr(sampler, 'seed'):
            sampler.seed = self._seed

    def before_train_epoch(self, runner: Runner) -> None:
        """Tell the workers the epoch.

        Args:
            runner (Runner): The runner.
        """
        self._epoch.fill_(runner.epoch)
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            # every epoch, as hooks of users exchange pipelines
            self._wrap(runner.train_loop.dataloader.dataset)

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | None = None) -> None:
        """Seed what the model and batch augmentations draw.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch.
            data_batch (dict, optional): The batch. Defaults to None.
        """
        # numpy chooses one of several batch augmentations: on all ranks alike
        _seed(self._seed, runner.iter)
        torch.manual_seed(_torch_seed(self._seed, get_rank(), runner.iter))

    def _wrap(self, dataset: Dataset) -> None:
        for inner in [*getattr(dataset, 'datasets', []),
                      *filter(None, [getattr(dataset, 'dataset', None)])]:
            self._wrap(inner)
        pipeline = getattr(dataset, 'pipeline', None)
        if callable(pipeline) and not isinstance(pipeline, SeededPipeline):
            dataset.pipeline = SeededPipeline(
                pipeline, self._seed, self._epoch)


class SeededPipeline:
    """Transforms that draw the same for an image, whoever runs them.

    Args:
        pipeline (Callable): The transforms of a data set.
        seed (int): Seed of the run.
        epoch (Tensor): The epoch, ``()``, int64, in shared memory.
    """

    def __init__(self, pipeline: Callable, seed: int,
                 epoch: torch.Tensor) -> None:
        self.pipeline = pipeline
        self.seed = seed
        self.epoch = epoch

    @property
    def transforms(self) -> list[Callable]:
        """The transforms."""
        return self.pipeline.transforms

    def __call__(self, data: dict) -> dict | None:
        """Transform an image.

        Args:
            data (dict): What the data set knows of it, with ``sample_idx``.

        Returns:
            dict, optional: What the pipeline returns.
        """
        if 'sample_idx' not in data:
            return self.pipeline(data)
        key = self.seed, int(self.epoch), int(data['sample_idx'])
        _seed(*key)
        # the generator of the CPU alone, which a worker may seed
        torch.default_generator.manual_seed(_torch_seed(*key))
        return self.pipeline(data)

    def __repr__(self) -> str:
        return repr(self.pipeline)


def _seed(*key: int) -> None:
    """Seed what transforms and MMPretrain's batch augmentations draw from."""
    numbers = np.random.SeedSequence(key).generate_state(2).tolist()
    random.seed(numbers[0])
    np.random.seed(numbers[1])  # noqa: NPY002


def _torch_seed(*key: int) -> int:
    return int(np.random.SeedSequence(key).generate_state(3)[2])
