"""What the tools share: options, their meaning, and trained models."""
import argparse
import inspect
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from mmpretrain.apis import get_model
from mmpretrain.registry import DATASETS

# MMEngine warns of its own calls, which a user cannot do anything about.
_NOISE = ('"FileClient" will be deprecated', '"HardDiskBackend" is the alias')


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that training and testing share.

    Args:
        parser (ArgumentParser): The parser to extend.
    """
    parser.add_argument('--work-dir', help='folder for logs and results')
    parser.add_argument(
        '--amp', action='store_true', help='use automatic mixed precision')
    parser.add_argument(
        '--no-pin-memory',
        action='store_true',
        help='do not pin the memory of data loaders')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override settings of the config, e.g. train_cfg.max_epochs=2; '
        'lists as key="[a,b]" or key=a,b, without white space')
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='job launcher')
    # torchrun sets LOCAL_RANK; older launchers pass it as an option
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, default=0,
        help=argparse.SUPPRESS)


def load_config(args: argparse.Namespace, loaders: Sequence[str]) -> Config:
    """Read the config and apply the options that training and testing share.

    Args:
        args (Namespace): Parsed options.
        loaders (Sequence[str]): The data loaders that will be used.

    Returns:
        Config: The config, with loaders that work on this machine.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        _complete_loader(cfg, name, args)
    for name in loaders:
        _check_data(cfg, name)
    if args.amp and not torch.cuda.is_available():
        sys.exit('--amp needs a GPU: MMEngine\'s AmpOptimWrapper does not run '
                 'on a CPU, and torch sees no CUDA device here. Leave it out.')
    _prepare_launcher(cfg, args.launcher)
    return cfg


def build_runner(cfg: Config) -> Runner:
    """Build the runner that the config asks for.

    Args:
        cfg (Config): Complete config.

    Returns:
        Runner: MMEngine's ``Runner``, or the one of ``runner_type``.
    """
    runner = (RUNNERS.build(cfg) if 'runner_type' in cfg else
              Runner.from_cfg(cfg))
    runner.logger.addFilter(_is_no_noise)
    return runner


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


def add_pair_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which pairs of test images are drawn.

    Args:
        parser (ArgumentParser): The parser to extend.
    """
    parser.add_argument(
        '--pair', type=int, nargs=2, action='append', metavar='INDEX',
        help='test images; default: random ones. Repeat for more pairs')
    parser.add_argument(
        '--num', type=int, default=3, help='number of random pairs')
    parser.add_argument('--seed', type=int, default=0, help='of all draws')


def choose_pairs(args: argparse.Namespace, size: int) -> list[list[int]]:
    """Indices of the pairs that the options ask for.

    Args:
        args (Namespace): Parsed options.
        size (int): Number of test images.

    Returns:
        list[list[int]]: Two indices each.
    """
    pairs = args.pair or np.random.default_rng(args.seed).choice(
        size, (args.num, 2), replace=False).tolist()
    largest = max(map(max, pairs))
    if largest >= size:
        sys.exit(f'There are {size} test images, but --pair asks for number '
                 f'{largest}.')
    return pairs


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


def _is_no_noise(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_NOISE)


def _complete_loader(cfg: Config, name: str, args: argparse.Namespace) -> None:
    if cfg.get(name) is None:
        return
    given = cfg[name]
    loader = ConfigDict(
        pin_memory=torch.cuda.is_available(),
        persistent_workers=True,
        collate_fn=dict(type='default_collate'))
    loader.update(given)
    if args.no_pin_memory:
        loader.pin_memory = False
    if getattr(args, 'no_persistent_workers', False) or not loader.get(
            'num_workers', 0):
        loader.persistent_workers = False  # torch refuses it without workers
    cfg[name] = loader


def _check_data(cfg: Config, name: str) -> None:
    """Say early, and with the remedy, that data are not where they should be.

    Data sets that MMPretrain downloads by itself are left to it.
    """
    dataset = (cfg.get(name) or {}).get('dataset') or {}
    root = dataset.get('data_root')
    if not root or '://' in root or Path(root).exists():
        return
    cls = DATASETS.get(dataset.type)
    downloads = cls is not None and 'download' in inspect.signature(
        cls).parameters and dataset.get('download', True)
    if not downloads:
        sys.exit(f'{name}.dataset.data_root is {root!r}, where nothing is. '
                 'Put the data there, or say where they are: --cfg-options '
                 f'{name}.dataset.data_root=FOLDER')


def _prepare_launcher(cfg: Config, launcher: str) -> None:
    """Let ``--launcher pytorch`` work without a GPU, which MMEngine assumes.

    The process group is initialised here, with gloo, so that MMEngine does
    not, and the model is wrapped without a device.
    """
    cfg.launcher = launcher
    if launcher != 'pytorch' or torch.cuda.is_available():
        return
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    wrapper = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False))
    cfg.model_wrapper_cfg = {**wrapper, **(cfg.get('model_wrapper_cfg') or {})}
