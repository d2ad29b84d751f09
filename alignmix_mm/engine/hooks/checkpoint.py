"""Checkpoints of which one is always there."""
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from .. import compat
from ..writing import remove_unfinished


class _RemovesLater:
    """A file backend that notes what is to be removed.

    Args:
        backend (BaseStorageBackend): The backend that has the files.
    """

    def __init__(self, backend) -> None:
        self._backend = backend
        self.files: list[str] = []

    def remove(self, filepath: str) -> None:
        """Note a file."""
        self.files.append(filepath)

    def __getattr__(self, name: str):
        return getattr(self._backend, name)


@HOOKS.register_module()
class ResumableCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook``, but old files go last.

    MMEngine removes an old checkpoint, or the old best one, before it writes
    the new one; a run that is killed between the two has lost it. Here it is
    removed when the new one is complete, and files are written and loaded as
    :func:`alignmix_mm.engine.compat.enable` says. Arguments are those of
    ``CheckpointHook``.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        compat.enable()

    def before_train(self, runner: Runner) -> None:
        """Remove what was not written to its end when the run was killed.

        Args:
            runner (Runner): The runner.
        """
        super().before_train(runner)
        if is_main_process():
            remove_unfinished(self.out_dir, '*.pth')

    @contextmanager
    def _removing_last(self) -> Iterator[None]:
        if isinstance(self.file_backend, _RemovesLater):
            yield  # the best checkpoint writes the last one again
            return
        backend = self.file_backend
        self.file_backend = notes = _RemovesLater(backend)
        try:
            yield
        finally:
            self.file_backend = backend
        kept = {self.last_ckpt, getattr(self, 'best_ckpt_path', None),
                *getattr(self, 'best_ckpt_path_dict', {}).values()}
        for filepath in notes.files:
            if filepath not in kept:
                backend.remove(filepath)

    def _save_checkpoint_with_step(self, runner: Runner, step: int,
                                   meta: dict) -> None:
        with self._removing_last():
            super()._save_checkpoint_with_step(runner, step, meta)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        with self._removing_last():
            super()._save_best_checkpoint(runner, metrics)
