"""Checkpoints from which a run continues as if never interrupted."""
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from .. import compat
from ..memory import HookMemory, same
from ..run_state import (
    find_not_finite,
    gradients_in_progress,
    progress,
    require_resumable,
    restore_gradients,
    unwrap,
    validation_is_due,
)
from ..writing import remove_unfinished
from .reproducible import PLACE

STATE = 'run_state'  # key of a checkpoint
VALIDATED = 'validated'  # key of MMEngine's hub


class _RemovesLater:
    """A file backend that lists files to remove instead of removing them.

    Args:
        backend (BaseStorageBackend): The backend that holds the files.
        noted (list[str]): List to which their paths are added.
    """

    def __init__(self, backend, noted: list[str]) -> None:
        self._backend = backend
        self.remove = self.rmtree = noted.append

    def __getattr__(self, name: str):
        return getattr(self._backend, name)


@HOOKS.register_module()
class ResumableCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook``, safe against killed runs.

    MMEngine removes an old checkpoint, or the old best one, before it writes
    the new one, so a run killed between the two loses it. This hook deletes
    the old checkpoint only after the new one exists; if the run is killed
    before that, the resumed run does it. Files are written and loaded as
    described for :func:`alignmix_mm.engine.compat.enable`. Parameters that
    are not finite are never written.

    A checkpoint also stores accumulated gradients that have not been applied
    yet, and the state of hooks (see
    :class:`alignmix_mm.engine.memory.HookMemory`). It is written again if a
    validation changes this state. If the run is killed before that, the
    resumed run starts with the validation.

    The arguments are those of ``CheckpointHook``.
    """

    priority = 'LOWEST'  # so that the other hooks have run

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        compat.enable()
        self._loaded: dict[str, Any] = {}
        self._memory: HookMemory | None = None  # while training
        self._outdated: list[str] = []  # files to remove
        self._step: int | None = None  # of the last checkpoint
        self._validating = self._best_is_new = False
        self._never_finite: set[str] = set()  # buffers, such as masks

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the entries of the checkpoint that training needs.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): The loaded checkpoint.

        Raises:
            CheckpointError: If the run cannot continue from it.
        """
        if runner._resume:
            require_resumable(runner, checkpoint)
            self._loaded = checkpoint.get(STATE, {})
            meta = checkpoint['meta']
            if not self.by_epoch:
                self._step = meta['iter']
            elif not checkpoint.get(PLACE, {}).get('done'):
                self._step = meta['epoch']  # not in the middle of the next

    def before_train(self, runner: Runner) -> None:
        """Restore the state in which the run was interrupted.

        Args:
            runner (Runner): The runner, after resuming.
        """
        super().before_train(runner)
        loaded, self._loaded = self._loaded, {}
        if is_main_process():
            remove_unfinished(self.out_dir, '*.pth')
            self._remove_what_was_left(runner, loaded.get('outdated', []))
        self._never_finite = set(find_not_finite(
            unwrap(runner.model).named_buffers()))
        self._memory = HookMemory(runner.hooks)
        self._memory.restore(loaded.get('hooks', {}))
        restore_gradients(runner, loaded.get('gradients', {}))
        if loaded.get('stopped'):
            runner.train_loop.stop_training = True
            runner.logger.info('A hook, such as early stopping, ended this '
                               'run. To continue from its weights, start a '
                               'new run: --cfg-options load_from=FILE.')
        self._known = self._know(runner)
        due = validation_is_due(runner)
        hub = runner.message_hub
        if loaded:  # otherwise MMEngine would not store a better score
            self.last_ckpt = runner._load_from or hub.runtime_info.get(
                'last_ckpt')
        if loaded and due is not None and due != hub.runtime_info.get(
                VALIDATED):
            runner.logger.info('The run was interrupted before or during a '
                               'validation, which runs now.')
            runner.val_loop.run()

    def before_save_checkpoint(self, runner: Runner,
                               checkpoint: dict) -> None:
        """Add the entries that MMEngine leaves out.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): The checkpoint to write, changed in place.
        """
        if 'optimizer' in checkpoint:
            if runner.world_size == 1:  # InterruptHook may call this too
                self._gradients = gradients_in_progress(runner)
            checkpoint[STATE] = dict(
                gradients=self._gradients, hooks=self._memory.collect(),
                stopped=_is_stopped(runner),
                outdated=[Path(name).name for name in self._outdated])

    def after_val(self, runner: Runner) -> None:
        """Write the checkpoint again if the validation changed its content.

        Args:
            runner (Runner): The runner.
        """
        if self._memory is None:  # not training
            return
        runner.message_hub.update_info(VALIDATED, progress(runner))
        step = runner.epoch if self.by_epoch else runner.iter
        if self._best_is_new or (step == self._step and not same(
                self._known, self._know(runner))):
            self._save_checkpoint_with_step(
                runner, step, dict(epoch=runner.epoch, iter=runner.iter))

    def _save_checkpoint_with_step(self, runner: Runner, step: int,
                                   meta: dict) -> None:
        if self._validating:  # written later, see after_val
            self._best_is_new = True
            return
        self._require_finite(runner)
        self._gradients = gradients_in_progress(runner)
        with self._noting_old_files():
            super()._save_checkpoint_with_step(runner, step, meta)
        self._step, self._known = step, self._know(runner)
        self._best_is_new = False
        self._remove_old_files()

    def _know(self, runner: Runner) -> list:
        """The state that a validation can change."""
        schedulers = runner.param_schedulers or []
        if isinstance(schedulers, dict):  # of several optimizers
            schedulers = [each for some in schedulers.values()
                          for each in some]
        return [self._memory.collect(), _is_stopped(runner),
                [scheduler.state_dict() for scheduler in schedulers]]

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        self._require_finite(runner)
        self._validating = True
        with self._noting_old_files():
            super()._save_best_checkpoint(runner, metrics)
        self._validating = False
        if self._step is None:
            self._remove_old_files()

    @contextmanager
    def _noting_old_files(self) -> Iterator[None]:
        backend = self.file_backend
        self.file_backend = _RemovesLater(backend, self._outdated)
        try:
            yield
        finally:
            self.file_backend = backend

    def _remove_old_files(self) -> None:
        kept = {self.last_ckpt, getattr(self, 'best_ckpt_path', None),
                *getattr(self, 'best_ckpt_path_dict', {}).values()}
        while self._outdated:
            self._remove(self._outdated.pop(), kept)

    def _remove_what_was_left(self, runner: Runner, names: list[str]) -> None:
        """Remove files that a killed run was about to remove."""
        source = runner._load_from
        if source and Path(source).resolve().parent != Path(
                self.out_dir).resolve():
            return  # resumed in a different folder
        kept = {getattr(self, 'best_ckpt_path', None),
                *getattr(self, 'best_ckpt_path_dict', {}).values()}
        kept = {Path(path).name for path in kept if path}
        for name in names:
            if name not in kept:
                self._remove(self.file_backend.join_path(self.out_dir, name),
                             set())

    def _remove(self, path: str, kept: set[str | None]) -> None:
        if path in kept:
            return
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
        elif self.file_backend.isdir(path):  # DeepSpeed writes folders
            self.file_backend.rmtree(path)

    def _require_finite(self, runner: Runner) -> None:
        state = unwrap(runner.model).state_dict()
        bad = set(find_not_finite(state.items())) - self._never_finite
        if not bad:
            return
        names = [name for name in state if name in bad]
        last = (f'the last one, {self.last_ckpt}, is' if self.last_ckpt else
                'existing ones are')
        raise FloatingPointError(
            f'Parameters are not finite after step {runner.iter + 1}: '
            f'{", ".join(names[:3])}. No checkpoint was written; {last} '
            'unchanged. Lower the learning rate, warm up for longer, or clip '
            'gradients (optim_wrapper.clip_grad=dict(max_norm=5)).')


def _is_stopped(runner: Runner) -> bool:
    """Whether a hook, such as EarlyStoppingHook, has ended the run."""
    return getattr(runner.train_loop, 'stop_training', False)
