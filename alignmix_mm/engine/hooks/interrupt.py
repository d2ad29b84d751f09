"""Stop a run so that it can be continued."""
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

    The current step or validation is finished, then the state is written to
    ``interrupted.pth``. A run resumed from it continues with the next batch of
    the epoch, as :class:`ReproducibleHook` counts them. A second Ctrl-C stops
    at once.

    The first Ctrl-C also stops at once in three cases, and the run then
    continues from the last checkpoint: with several processes, which would
    stop at different steps; without :class:`ReproducibleHook`; and with data
    whose batches that hook cannot count.

    Attributes:
        requested (bool): Whether the user has asked to stop.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.requested = False
        self._previous = None

    def before_train(self, runner: Runner) -> None:
        """Handle Ctrl-C. Workers, which start later, inherit the handler.

        Args:
            runner (Runner): The runner, after resuming.
        """
        batches = getattr(runner.train_loop.dataloader, 'batch_sampler', None)
        if runner.world_size == 1 and isinstance(batches, PlacedBatches):
            owner = getattr(signal.getsignal(signal.SIGINT), '__self__', None)
            if isinstance(owner, InterruptHook):  # its run failed
                owner.release()
            self._previous = signal.signal(signal.SIGINT, self._request)

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Stop after a step that updated the parameters, if requested.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch.
            data_batch (dict, optional): The batch. Defaults to None.
            outputs (dict, optional): The losses. Defaults to None.
        """
        steps = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        if self.requested and (runner.iter + 1) % steps == 0:
            self._stop(runner, runner.iter + 1)

    def after_val(self, runner: Runner) -> None:
        """Stop after a validation, if requested.

        By then :class:`ResumableCheckpointHook` has noted that the validation
        was done.

        Args:
            runner (Runner): The runner.
        """
        if self.requested:
            self._stop(runner, runner.iter)

    def after_train(self, runner: Runner) -> None:
        """Restore the previous handler of Ctrl-C.

        Args:
            runner (Runner): The runner.
        """
        self.release()
        if is_main_process():  # outdated: there are later checkpoints
            (Path(runner.work_dir) / FILE).unlink(missing_ok=True)

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            self.release()
            raise KeyboardInterrupt
        self.requested = True

    def release(self) -> None:
        """Restore the handler of Ctrl-C; to be called after a failed run."""
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
