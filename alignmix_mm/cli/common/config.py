"""Turn a config and options into a config that runs on this machine."""
import argparse
import inspect
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.hooks import CheckpointHook
from mmengine.hub import get_config
from mmpretrain.registry import DATASETS, HOOKS

from ...engine.checkpoints import find_latest
from ...engine.compat import trust_checkpoints
from ...engine.kinds import class_of
from ...shipped import PREFIX, config_path
from ..options import require_checkpoint
from .launcher import prepare_launcher


def load_config(args: argparse.Namespace, loaders: Sequence[str],
                cfg: Config | None = None) -> Config:
    """Read the config and apply the options shared by training and test.

    Args:
        args (Namespace): Parsed options.
        loaders (Sequence[str]): Names of the data loaders that will be used.
        cfg (Config, optional): The config. Defaults to None, which reads
            ``args.config``.

    Returns:
        Config: The config, with data loaders that work on this machine.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if args.trust_checkpoint:
        trust_checkpoints()
    if cfg is None:
        cfg = read_config(args.config)
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
        sys.exit("--amp needs a GPU: MMEngine's AmpOptimWrapper does not run "
                 'on a CPU, and torch finds no CUDA device. Leave --amp out.')
    prepare_launcher(cfg, args.launcher)
    add_hooks(cfg, NumClassCheckHook={}, ClassNamesHook={}, ProgressHook={})
    return cfg


def read_config(name: str) -> Config:
    """Read a config file, or a config from an installed package.

    Args:
        name (str): Path of a file; otherwise a path below the configs of
            this package, such as ``alignmix_r18_cifar10.py``, or of another
            one, such as ``mmpretrain::resnet/resnet50_8xb32_in1k.py``.

    Returns:
        Config: The config.
    """
    if Path(name).is_file():
        try:
            return Config.fromfile(name)
        except SyntaxError as error:
            sys.exit(f'{name}, or a file that it inherits from, is not valid '
                     f'Python: line {error.lineno}: {error.msg}.')
    if '::' in name and not name.startswith(PREFIX):
        return get_config(name)
    try:
        return Config.fromfile(config_path(name.removeprefix(PREFIX)))
    except FileNotFoundError as error:
        sys.exit(f'There is no config file {name}, and {error}')


def make_safe(cfg: Config, resume: str | None = None,
              on_nan: str = 'stop') -> None:
    """Make a run safe to interrupt, and set where it continues.

    Args:
        cfg (Config): Complete config, changed in place. Its own hooks are
            kept; only a plain ``CheckpointHook`` becomes resumable.
        resume (str, optional): A checkpoint, or ``'auto'`` for the latest
            one in the work directory, if any. Defaults to None, which starts
            from the beginning unless the config sets ``resume``.
        on_nan (str): See :class:`FiniteLossHook`. Defaults to ``'stop'``.
    """
    cfg.default_hooks = cfg.get('default_hooks') or {}
    hooks = cfg.default_hooks
    hooks.setdefault('checkpoint', dict(type='CheckpointHook', interval=1))
    # None, or a custom hook, is the user's choice
    if isinstance(hooks.checkpoint, dict) and (
            class_of(hooks.checkpoint, HOOKS) is CheckpointHook):
        hooks.checkpoint.type = 'alignmix_mm.ResumableCheckpointHook'
    add_hooks(cfg, ReproducibleHook={}, FiniteLossHook=dict(action=on_nan),
              MixLogHook={}, SummaryHook={}, ResumedScheduleHook={},
              InterruptHook={})
    if resume is None and cfg.get('resume') and not cfg.get('load_from'):
        resume = 'auto'  # MMEngine would pick a file without checking it
    if resume is None:
        return
    if resume == 'auto':
        latest = find_latest(cfg.work_dir)
    else:
        require_checkpoint(latest := resume)
    if latest is None:  # weights to start from stay as in the config
        print(f'There is no checkpoint in {cfg.work_dir} yet, so training '
              'starts from the beginning.')
        cfg.resume = False
        return
    cfg.resume, cfg.load_from = True, str(latest)


def add_hooks(cfg: Config, **added: dict) -> None:
    """Add hooks of this package that the config does not have yet.

    Args:
        cfg (Config): Complete config, changed in place.
        **added (dict): Options of each hook, by its class name.
    """
    given = cfg.get('custom_hooks') or []
    classes = {class_of(hook, HOOKS) for hook in given}
    cfg.custom_hooks = [*given, *(
        dict(type=f'alignmix_mm.{name}', **options)
        for name, options in added.items()
        if HOOKS.get(f'alignmix_mm.{name}') not in classes)]


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
        loader.persistent_workers = False  # torch needs workers for it
    cfg[name] = loader


def _check_data(cfg: Config, name: str) -> None:
    """Exit early, with a remedy, if the data are missing.

    Data sets that MMPretrain downloads itself are not checked.
    """
    dataset = (cfg.get(name) or {}).get('dataset') or {}
    root = dataset.get('data_root')
    if not root or '://' in root or Path(root).exists():
        return
    cls = class_of(dataset, DATASETS)
    downloads = cls is not None and 'download' in inspect.signature(
        cls).parameters and dataset.get('download', True)
    if not downloads:
        sys.exit(f'{name}.dataset.data_root is {root!r}, which does not '
                 'exist. Put the data there, or name their folder: '
                 f'--cfg-options {name}.dataset.data_root=FOLDER')
