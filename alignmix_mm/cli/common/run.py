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

from .terminal import QuietRunner


def build_runner(cfg: Config) -> Runner:
    """Build the runner that the config asks for.

    Args:
        cfg (Config): Complete config.

    Returns:
        Runner: A :class:`QuietRunner`, or the one of ``runner_type``.
    """
    return (RUNNERS.build(cfg) if 'runner_type' in cfg else
            QuietRunner.from_cfg(cfg))


def load_model(cfg: Config, checkpoint: str) -> torch.nn.Module:
    """Build the model and load its weights, to look at what it does.

    Args:
        cfg (Config): Complete config.
        checkpoint (str): File of the weights.

    Returns:
        Module: In evaluation mode, on the GPU if there is one.
    """
    if not Path(checkpoint).is_file():
        sys.exit(f'There is no checkpoint {checkpoint}.')
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    return get_model(cfg, checkpoint, device=device).eval()


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

