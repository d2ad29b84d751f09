"""Make random numbers depend on the step, not on what ran before."""
import logging

import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmpretrain.registry import HOOKS

from ...mixing import MixMethod
from ..run_state import require_resumable, unwrap
from ..seeding import (
    OwnNumbers,
    PlacedBatches,
    place_batches,
    seed_numbers,
    torch_seed,
)

PLACE = 'place_in_run'  # key of a checkpoint


@HOOKS.register_module()
class ReproducibleHook(Hook):
    """Make a resumed run give the same result as an uninterrupted one.

    MMEngine seeds torch, NumPy and ``random`` at the start of a process, so a
    resumed run repeats the random numbers of the first epoch. This hook seeds
    them in every step from ``(seed, step)``, for torch also from the rank.
    Before each image is transformed, it seeds them from ``(seed, rank, epoch,
    batch, position in the batch)``: augmentations are the same with any number
    of workers, and two copies of an image are augmented differently. The
    order of the data follows the seed in the checkpoint. A run by epochs can
    continue in the middle of an epoch.

    If there are several batch augmentations, all ranks choose the same one in
    a step. The numbers that stock augmentations draw, such as Mixup's lambda,
    differ between ranks.

    On a GPU, add ``randomness=dict(deterministic=True)`` to get the same bits;
    otherwise kernels may sum in any order.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._place: dict | None = None  # from the checkpoint
        self._done = 0  # batches trained on in this epoch

    def before_train(self, runner: Runner) -> None:
        """Seed the order of the data and the transforms of each image.

        Args:
            runner (Runner): The runner, after resuming.
        """
        # The sampler was built before the seed in the checkpoint was known;
        # with `diff_rank_seed`, its seed is random.
        self._seed = runner.seed
        if runner._randomness_cfg.get('diff_rank_seed'):
            self._seed -= get_rank()
        loop = runner.train_loop
        sampler = getattr(loop.dataloader, 'sampler', None)
        if hasattr(sampler, 'seed'):
            sampler.seed = self._seed
        by_epoch = isinstance(loop, EpochBasedTrainLoop)
        batches = place_batches(
            loop.dataloader, self._seed,
            lambda: runner.epoch if by_epoch else _passes(loop))
        if batches is None:
            print_log('The training data have no indices, so their order and '
                      'augmentations are not seeded. A resumed run will '
                      'differ from an uninterrupted one.', logger='current',
                      level=logging.WARNING)
        elif not by_epoch:
            _start_again(loop)
        self._go_on(runner, batches if by_epoch else None)

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | None = None) -> None:
        """Seed the random numbers of the model and batch augmentations.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch.
            data_batch (dict, optional): The batch. Defaults to None.
        """
        # NumPy chooses among batch augmentations: the same on all ranks
        seed_numbers(self._seed, runner.iter)
        torch.manual_seed(torch_seed(self._seed, get_rank(), runner.iter))
        if get_world_size() > 1:
            _draw_for_the_rank(runner)

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Count the batches of the epoch.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch since the start of the epoch,
                or since the last interruption.
            data_batch (dict, optional): The batch. Defaults to None.
            outputs (dict, optional): The losses. Defaults to None.
        """
        self._done += 1

    def after_train_epoch(self, runner: Runner) -> None:
        """Reset the count.

        Args:
            runner (Runner): The runner.
        """
        self._done = 0

    def before_save_checkpoint(self, runner: Runner,
                               checkpoint: dict) -> None:
        """Store the place of the run.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): The checkpoint to write, changed in place.
        """
        checkpoint[PLACE] = self._where(runner)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Read the place of the run.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): The loaded checkpoint.

        Raises:
            CheckpointError: If the run cannot continue from it.
        """
        if runner._resume:
            require_resumable(runner, checkpoint)
            self._place = checkpoint.get(PLACE)

    def _where(self, runner: Runner) -> dict[str, int]:
        return dict(processes=get_world_size(), done=self._done,
                    batches=len(runner.train_loop.dataloader))

    def _go_on(self, runner: Runner, batches: PlacedBatches | None) -> None:
        """Skip the batches of the epoch that were already trained on."""
        place, self._place = self._place, None
        if place is None:
            return
        now = self._where(runner)
        changed = [f'{place[name]} {name} (now {now[name]})'
                   for name in ('processes', 'batches')
                   if place[name] != now[name]]
        if changed:
            print_log('The epochs of the checkpoint had '
                      f'{" and ".join(changed)}. The run continues from the '
                      'start of its epoch, so its result will differ from an '
                      'uninterrupted run.',
                      logger='current', level=logging.WARNING)
        elif batches is not None:
            batches.skip = self._done = place['done']


def _draw_for_the_rank(runner: Runner) -> None:
    """Make stock augmentations draw per rank; hooks may replace them."""
    preprocessor = unwrap(runner.model).data_preprocessor
    drawer = getattr(preprocessor, 'batch_augments', None)
    augments = getattr(drawer, 'augments', [])
    for number, augment in enumerate(augments):
        if not isinstance(augment, (MixMethod, OwnNumbers, type(None))):
            augments[number] = OwnNumbers(augment)


def _passes(loop) -> int:
    """How many times a loop by iterations has read all data."""
    return getattr(getattr(loop, 'dataloader_iterator', None), '_epoch', 0)


def _start_again(loop) -> None:
    """Discard the batches that a loop by iterations has loaded so far."""
    loader = loop.dataloader
    if not hasattr(loop, 'dataloader_iterator'):
        return
    if getattr(loader, '_iterator', None) is not None:  # persistent workers
        loader._iterator._shutdown_workers()
        loader._iterator = None
    if hasattr(loader.sampler, '_indices_of_rank'):  # InfiniteSampler
        loader.sampler.indices = loader.sampler._indices_of_rank()
    loop.dataloader_iterator = type(loop.dataloader_iterator)(loader)
