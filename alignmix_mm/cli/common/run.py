"""Build a runner or a trained model, and end a process."""
import logging
import os
import sys
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from mmpretrain.apis import get_model

from ...engine.weights import load_weights
from .terminal import QuietRunner
from .trained import class_names, read_checkpoint


class ResultsRunner(QuietRunner):
    """A runner for tests that does not overwrite the config of the run."""

    def dump_config(self) -> None:
        """Write the config of the test next to its results."""
        Path(self.log_dir).mkdir(parents=True, exist_ok=True)
        self.cfg.dump(str(Path(self.log_dir) / 'config.py'))


def build_runner(cfg: Config, kind: type[Runner] = QuietRunner) -> Runner:
    """Build the runner that the config asks for.

    Args:
        cfg (Config): Complete config.
        kind (type[Runner]): Class to use if the config has no
            ``runner_type``. Defaults to :class:`QuietRunner`.

    Returns:
        Runner: The runner.
    """
    return (RUNNERS.build(cfg) if 'runner_type' in cfg else
            kind.from_cfg(cfg))


def load_model(cfg: Config, checkpoint: str) -> torch.nn.Module:
    """Build the model and load its weights, for inspection.

    Args:
        cfg (Config): Complete config.
        checkpoint (str): Checkpoint file.

    Returns:
        Module: In evaluation mode, on the GPU if there is one.
    """
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    stored = read_checkpoint(checkpoint)
    model = get_model(cfg, pretrained=False, device=device)
    load_weights(model, stored.weights, stored.source)
    model._dataset_meta = dict(classes=class_names(stored.meta, cfg))
    return model.eval()


def leave() -> None:
    """End a process of a distributed job that used gloo.

    Threads of gloo outlive the process group in reference cycles. When the
    interpreter clears these at exit, it sometimes aborts the process although
    all work is done. So all processes wait for each other, and all but the
    first, which write nothing more, exit without that cleanup.
    """
    group = torch.distributed
    if not (group.is_available() and group.is_initialized()
            and group.get_backend() == 'gloo'):
        return
    group.barrier()
    rank = group.get_rank()
    group.destroy_process_group()
    if rank:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

