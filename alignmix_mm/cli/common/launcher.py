"""Run several processes without a GPU; MMEngine assumes one."""
import os
import subprocess
import sys

import torch
from mmengine.config import Config

# Environment variables in which launchers pass rank and world size.
_VARIABLES = {
    'pytorch': ('RANK', 'WORLD_SIZE'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE'),
}
_STARTS = {'pytorch': 'bash tools/dist_train.sh', 'mpi': 'mpirun',
           'slurm': 'bash tools/slurm_train.sh'}


def prepare_launcher(cfg: Config, launcher: str) -> None:
    """Pass the launcher on to MMEngine, which initialises the process group.

    Without a GPU, MMEngine fails to do so. This function then initialises the
    group with gloo and sets a model wrapper that names no device.

    Args:
        cfg (Config): Complete config, changed in place.
        launcher (str): ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
    """
    cfg.launcher = launcher
    missing = [name for name in _VARIABLES.get(launcher, ())
               if name not in os.environ]
    if missing:
        sys.exit(f'--launcher {launcher} needs {" and ".join(missing)} in the '
                 f'environment. Start with {_STARTS[launcher]}, or leave the '
                 'option out to run a single process.')
    if launcher == 'none' or torch.cuda.is_available():
        return
    if not torch.distributed.is_initialized():
        rank, size = (int(os.environ[name]) for name in _VARIABLES[launcher])
        os.environ.setdefault('MASTER_PORT', '29500')  # torch's own default
        if launcher == 'slurm':
            os.environ.setdefault('MASTER_ADDR', _first_host())
        torch.distributed.init_process_group(
            'gloo', rank=rank, world_size=size)
    wrapper = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False))
    cfg.model_wrapper_cfg = {**wrapper, **(cfg.get('model_wrapper_cfg') or {})}


def _first_host() -> str:
    hosts = subprocess.run(
        ['scontrol', 'show', 'hostname', os.environ['SLURM_NODELIST']],
        check=True, capture_output=True, text=True).stdout
    return hosts.split()[0]
