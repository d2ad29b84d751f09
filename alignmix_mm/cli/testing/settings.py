"""Make the config of a test, from a file or from the checkpoint."""
import argparse
import copy
import sys
from pathlib import Path

from mmengine.config import Config

from ...evaluation.protocols import METRICS
from ..common import load_config
from ..common.config import read_config
from ..common.trained import (
    check_part,
    config_of,
    read_checkpoint,
    without_downloads,
)
from ..options import require_checkpoint

# the parts of a stored config that a test needs; no hooks or loggers
_KEPT = ('model', 'data_preprocessor', 'test_dataloader', 'test_evaluator',
         'test_cfg', 'val_dataloader', 'val_evaluator', 'val_cfg', 'tta_model',
         'tta_pipeline', 'randomness', 'env_cfg')


def test_config(args: argparse.Namespace) -> Config:
    """Make the config of a test.

    Args:
        args (Namespace): Parsed options.

    Returns:
        Config: The config, with ``test_dataloader``, ``test_evaluator`` and
        ``test_cfg``. Without ``--work-dir``, results go to the folder of the
        checkpoint.
    """
    require_checkpoint(args.checkpoint)
    if args.work_dir is None and 'work_dir' not in (args.cfg_options or {}):
        args.work_dir = _folder(args)
    cfg = read_config(args.config) if args.config else _stored_config(args)
    cfg.setdefault('default_scope', 'mmpretrain')  # pure Python may lack it
    _complete(cfg)
    cfg = load_config(args, ['test_dataloader'], cfg)
    if not cfg.get('model'):
        sys.exit('The config has no `model`. Give the config of the training: '
                 'alignmix test CONFIG CKPT.')
    without_downloads(cfg.model)
    cfg.load_from, cfg.resume = args.checkpoint, False
    cfg.custom_hooks = [*cfg.custom_hooks, dict(
        type='alignmix_mm.WeightsCheckHook',
        allow_partial=args.allow_partial)]
    return cfg


def show_predictions(cfg: Config, args: argparse.Namespace) -> None:
    """Enable the visualization hook.

    Args:
        cfg (Config): Complete config, changed in place.
        args (Namespace): Parsed options.
    """
    if 'visualization' not in cfg.get('default_hooks', {}):
        sys.exit('--show and --show-dir need default_hooks.visualization='
                 "dict(type='VisualizationHook') in the config.")
    cfg.default_hooks.visualization.update(
        enable=True,
        show=args.show,
        out_dir=args.show_dir,
        interval=args.interval,
        wait_time=args.wait_time)


def augment_at_test_time(cfg: Config) -> None:
    """Average predictions over augmented images, by default over a flip.

    Args:
        cfg (Config): Complete config, changed in place.
    """
    dataset = cfg.test_dataloader.dataset
    if 'tta_pipeline' not in cfg:
        flips = [dict(type='RandomFlip', prob=prob) for prob in (1., 0.)]
        *first, last = copy.deepcopy(dataset.pipeline)
        cfg.tta_pipeline = [
            *first, dict(type='TestTimeAug', transforms=[flips, [last]])
        ]
    average = dict(type='mmpretrain.AverageClsScoreTTA')
    cfg.model = dict(**cfg.get('tta_model', average), module=cfg.model)
    dataset.pipeline = cfg.tta_pipeline


def _folder(args: argparse.Namespace) -> str | None:
    """Folder of the run; None if the config decides."""
    if '://' not in args.checkpoint:
        return str(Path(args.checkpoint).parent)
    return None if args.config else str(
        Path('work_dirs') / Path(args.checkpoint).stem)


def _stored_config(args: argparse.Namespace) -> Config:
    stored = read_checkpoint(args.checkpoint, args.trust_checkpoint)
    full = config_of(stored)
    part = {name: full[name] for name in _KEPT if full.get(name) is not None}
    cfg = Config(dict(part, default_scope='mmpretrain', default_hooks=dict(
        visualization=dict(type='VisualizationHook'))))
    if cfg.get('model'):
        cfg.model.train_cfg = None  # mixing methods may need files
        without_downloads(cfg.model)
    check_part(cfg.to_dict(), stored)
    # used only to find the size of its images
    cfg.train_dataloader = full.get('train_dataloader')
    return cfg


def _complete(cfg: Config) -> None:
    """Use the validation of a config as its test, if it has no test."""
    if cfg.get('test_dataloader') is None:
        for part in ('dataloader', 'evaluator', 'cfg'):
            cfg[f'test_{part}'] = copy.deepcopy(cfg.get(f'val_{part}'))
    if cfg.test_dataloader is None:
        sys.exit('The config has neither test_dataloader nor val_dataloader. '
                 'Give a config that has one: alignmix test CONFIG CKPT.')
    if cfg.get('test_evaluator') is None:
        cfg.test_evaluator = [METRICS['accuracy']]
    if cfg.get('test_cfg') is None:
        cfg.test_cfg = {}
