"""A progress bar for training, validation and test."""
import atexit
import logging
import sys

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ._observer import only_watching


@HOOKS.register_module()
class ProgressHook(Hook):
    """Show a progress bar below the log, if that is a terminal.

    Log lines are not changed. Nothing is shown in a file or pipe, or on ranks
    other than the first.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    @only_watching
    def before_train(self, runner: Runner) -> None:
        """Show the bar.

        Args:
            runner (Runner): The runner.
        """
        self._start(runner)
        if self._bar is not None:
            self._training = self._bar.add_task(
                'train', total=runner.max_iters, completed=runner.iter)

    @only_watching
    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Move the bar.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch.
            data_batch (dict, optional): The batch. Defaults to None.
            outputs (dict, optional): The losses. Defaults to None.
        """
        if self._bar is not None:
            self._bar.update(self._training, completed=runner.iter + 1,
                             description=f'epoch {runner.epoch + 1}')

    @only_watching
    def after_train(self, runner: Runner) -> None:
        """Remove the bar.

        Args:
            runner (Runner): The runner.
        """
        self._stop()

    @only_watching
    def before_val_epoch(self, runner: Runner) -> None:
        """Show a bar for the validation.

        Args:
            runner (Runner): The runner.
        """
        self._begin(runner, 'validation', len(runner.val_dataloader))

    @only_watching
    def before_test_epoch(self, runner: Runner) -> None:
        """Show a bar for the test.

        Args:
            runner (Runner): The runner.
        """
        self._begin(runner, 'test', len(runner.test_dataloader))

    @only_watching
    def after_val_iter(self, runner: Runner, batch_idx: int,
                       data_batch: dict | None = None,
                       outputs: list | None = None) -> None:
        """Move the bar of the validation.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch.
            data_batch (dict, optional): The batch. Defaults to None.
            outputs (list, optional): The predictions. Defaults to None.
        """
        if self._task is not None:
            self._bar.update(self._task, completed=batch_idx + 1)

    after_test_iter = after_val_iter

    @only_watching
    def after_val_epoch(self, runner: Runner,
                        metrics: dict | None = None) -> None:
        """Remove the bar of the validation.

        Args:
            runner (Runner): The runner.
            metrics (dict, optional): The results. Defaults to None.
        """
        if self._task is not None:
            self._bar.refresh()  # show it complete, even if it was short
            self._bar.remove_task(self._task)
            self._task = None
            if not self._bar.tasks:  # not within training
                self._stop()

    after_test_epoch = after_val_epoch

    def _begin(self, runner: Runner, name: str, total: int) -> None:
        if self._bar is None:
            self._start(runner)
        if self._bar is not None:
            self._task = self._bar.add_task(name, total=total)

    def _start(self, runner: Runner) -> None:
        console = Console()
        if runner.rank != 0 or not console.is_terminal:
            return
        self._bar = Progress(
            TextColumn('{task.description}'), BarColumn(),
            MofNCompleteColumn(), TimeElapsedColumn(), TextColumn('left:'),
            TimeRemainingColumn(), console=console, transient=True)
        self._bar.start()  # replaces sys.stdout by a stream above the bar
        self._streams = [
            (handler, handler.setStream(sys.stdout))
            for handler in runner.logger.handlers
            if type(handler) is logging.StreamHandler]
        atexit.register(self._stop)  # removes the bar of a failed run

    def _stop(self) -> None:
        if self._bar is None:
            return
        for handler, stream in self._streams:
            if stream is not None:
                handler.setStream(stream)
        self._bar.stop()
        self._bar = self._task = None
        atexit.unregister(self._stop)
