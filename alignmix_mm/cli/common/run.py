"""From a config to a runner or a trained model, and the end of a process."""
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
    """A runner of tests, in the folder of a run whose config stays there."""

    def dump_config(self) -> None:
        """Write the config of the test beside its results."""
        Path(self.log_dir).mkdir(parents=True, exist_ok=True)
        self.cfg.dump(str(Path(self.log_dir) / 'config.py'))


def build_runner(cfg: Config, kind: type[Runner] = QuietRunner) -> Runner:
    """Build the runner that the config asks for.

    Args:
        cfg (Config): Complete config.
        kind (type[Runner]): What to build where the config does not say.
            Defaults to :class:`QuietRunner`.

    Returns:
        Runner: The runner, or the one of ``runner_type``.
    """
    return (RUNNERS.build(cfg) if 'runner_type' in cfg else
            kind.from_cfg(cfg))


def load_model(cfg: Config, checkpoint: str) -> torch.nn.Module:
    """Build the model and load its weights, to look at what it does.

    Args:
        cfg (Config): Complete config.
        checkpoint (str): File of the weights.

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
    """End a process that did its part of a job without a GPU.

    Threads of gloo outlive the process group, in cycles of references that
    the interpreter clears late, and then sometimes abort the process, though
    all is done. So all wait for each other, and those that write nothing
    skip the clearing.
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

