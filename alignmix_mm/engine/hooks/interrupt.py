"""Stopping a run such that it can go on."""
import signal
from pathlib import Path
from types import FrameType

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from ..seeding import PlacedBatches

FILE = 'interrupted.pth'


@HOOKS.register_module()
class InterruptHook(Hook):
    """Save the state when a run is stopped by Ctrl-C.

    The step or the validation that runs is finished, then the state is
    written to ``interrupted.pth``. A run that resumes from it goes on with
    the next batch of the epoch, which :class:`ReproducibleHook` knows. A
    second Ctrl-C stops at once. So does the first one with several processes,
    each of which would stop at a different step, without that hook, and with
    data that it cannot count: these go on from the last checkpoint.

    Attributes:
        requested (bool): Whether the run is to stop.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.requested = False
        self._previous = None

    def before_train(self, runner: Runner) -> None:
        """Take Ctrl-C over, before workers are started, which inherit it.

        Args:
            runner (Runner): The runner, which has resumed already.
        """
        batches = getattr(runner.train_loop.dataloader, 'batch_sampler', None)
        if runner.world_size == 1 and isinstance(batches, PlacedBatches):
            owner = getattr(signal.getsignal(signal.SIGINT), '__self__', None)
            if isinstance(owner, InterruptHook):  # its run ended in an error
                owner.release()
            self._previous = signal.signal(signal.SIGINT, self._request)

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Stop after a step, if the parameters were updated in it.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch.
            data_batch (dict, optional): The batch. Defaults to None.
            outputs (dict, optional): The losses. Defaults to None.
        """
        steps = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        if self.requested and (runner.iter + 1) % steps == 0:
            self._stop(runner, runner.iter + 1)

    def after_val_epoch(self, runner: Runner,
                        metrics: dict | None = None) -> None:
        """Stop after a validation.

        Args:
            runner (Runner): The runner.
            metrics (dict, optional): Results. Defaults to None.
        """
        if self.requested:
            self._stop(runner, runner.iter)

    def after_train(self, runner: Runner) -> None:
        """Give Ctrl-C back.

        Args:
            runner (Runner): The runner.
        """
        self.release()
        if is_main_process():  # there are later checkpoints
            (Path(runner.work_dir) / FILE).unlink(missing_ok=True)

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            self.release()
            raise KeyboardInterrupt
        self.requested = True

    def release(self) -> None:
        """Give Ctrl-C back, which MMEngine has no hook for after an error."""
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _stop(self, runner: Runner, iteration: int) -> None:
        runner.save_checkpoint(
            runner.work_dir, FILE, by_epoch=False,
            meta=dict(epoch=runner.epoch, iter=iteration))
        path = Path(runner.work_dir) / FILE
        path.with_name('last_checkpoint').write_text(str(path))
        self.release()
        raise KeyboardInterrupt
