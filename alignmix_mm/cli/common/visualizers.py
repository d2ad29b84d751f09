"""Visualization backends for a run, as in `--vis tensorboard`."""
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.registry import VISBACKENDS

from ...engine.kinds import class_of
from ..options import VISUALIZERS
from .config import add_hooks


def add_visualizers(cfg: Config, names: Sequence[str]) -> None:
    """Add visualization backends, and pictures of mixed batches.

    Args:
        cfg (Config): Complete config, changed in place. Its own backends are
            kept.
        names (Sequence[str]): Keys of :data:`VISUALIZERS`.
    """
    missing = [name for name in names
               if importlib.util.find_spec(VISUALIZERS[name]) is None]
    if missing:
        sys.exit(f'--vis {missing[0]} needs a package that is not installed: '
                 f'pip install {" ".join(VISUALIZERS[n] for n in missing)}')
    run = Path(cfg.work_dir).resolve()
    known = dict(
        tensorboard=dict(type='TensorboardVisBackend'),
        wandb=dict(type='WandbVisBackend', init_kwargs=dict(
            project='alignmix_mm', name=run.name)),
        # one store for all runs, to compare them; MLflow dropped folders
        mlflow=dict(type='alignmix_mm.engine.hooks.backends.'
                    'MLflowImageVisBackend', exp_name='alignmix_mm',
                    run_name=run.name,
                    tracking_uri=f'sqlite:///{run.parent}/mlflow.db',
                    artifact_location=f'{run.parent}/mlruns'))
    visualizer = cfg.get('visualizer') or dict(type='UniversalVisualizer')
    backends = list(visualizer.get('vis_backends') or [
        dict(type='LocalVisBackend')])
    classes = {class_of(backend, VISBACKENDS) for backend in backends}
    backends += [known[name] for name in names
                 if class_of(known[name], VISBACKENDS) not in classes]
    cfg.visualizer = ConfigDict(visualizer, vis_backends=backends)
    add_hooks(cfg, MixVisualizationHook={})
