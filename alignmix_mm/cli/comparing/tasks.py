"""One run: a folder with a config that says all of it."""
import copy
import io
import pprint
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.runner import load_checkpoint
from mmpretrain.registry import MODELS

from ...engine.checkpoints import write_whole
from .base import Base, without_weights
from .methods import Entry

CONFIG = 'config.py'
WARMUP = .05  # of all steps
CHECKPOINTS = 20  # in a run, at most
POINTS = 200  # of a curve, about
HEADER = '# Written by `alignmix compare`.\n'


class Task(NamedTuple):
    """A run.

    Attributes:
        folder (Path): Where it is.
        label (str): What to call it.
        text (str): Of its config.
    """

    folder: Path
    label: str
    text: str


def make_task(folder: Path, label: str, base: Base, entry: Entry, seed: int,
              steps: int, lr: float | None, initial: Path,
              tests: list[dict], pictures: bool = False) -> Task:
    """Make a run.

    Args:
        folder (Path): Where it will be.
        label (str): What to call it.
        base (Base): What all runs share.
        entry (Entry): The method.
        seed (int): Of the order of the data and of all that is drawn.
        steps (int): Steps of training.
        lr (float, optional): Learning rate; None for the config's.
        initial (Path): Weights to start from.
        tests (list[dict]): Loops that follow the training, see
            :func:`tests_of`; an empty one for none.
        pictures (bool): Whether a batch is drawn. Defaults to False.

    Returns:
        Task: The run.
    """
    cfg = base.cfg.to_dict()
    for part in ('val_dataloader', 'val_evaluator', 'val_cfg',
                 'test_evaluator', 'test_cfg', 'auto_scale_lr'):
        cfg.pop(part, None)
    if lr is not None:
        cfg['optim_wrapper']['optimizer']['lr'] = lr
    per_epoch = base.steps_per_epoch
    hooks = cfg.setdefault('default_hooks', {})
    hooks['logger'] = dict(type='LoggerHook',
                           interval=max(1, min(50, steps // POINTS)))
    hooks['checkpoint'] = dict(
        type='CheckpointHook', max_keep_ckpts=1,
        interval=max(1, steps // per_epoch // CHECKPOINTS))
    cfg.update(
        work_dir=str(folder), model=without_weights(entry.model(base)),
        train_dataloader=entry.loader(base), load_from=str(initial),
        resume=False, param_scheduler=schedule(steps),
        train_cfg=dict(type='StepsTrainLoop', max_steps=steps),
        randomness={**(cfg.get('randomness') or {}), 'seed': seed},
        comparison=dict(method=entry.name, seed=seed, steps=steps,
                        lr=cfg['optim_wrapper']['optimizer'].get('lr'),
                        tests=tests, pictures=pictures))
    return Task(folder, label, HEADER + ''.join(
        f'{name} = {pprint.pformat(value, width=79, sort_dicts=False)}\n'
        for name, value in cfg.items()))


def schedule(steps: int) -> list[dict]:
    """A linear warm-up, then a cosine to zero, whatever the length.

    Args:
        steps (int): Steps of training.

    Returns:
        list[dict]: Configs of schedulers.
    """
    warmup = int(WARMUP * steps)
    first = dict(type='LinearLR', start_factor=.01, by_epoch=False, begin=0,
                 end=warmup)
    rest = dict(type='CosineAnnealingLR', by_epoch=False, begin=warmup,
                end=steps, T_max=steps - warmup)
    return [first, rest] if warmup else [rest]


def write_tasks(tasks: Iterable[Task]) -> None:
    """Write the configs, but not over those of another comparison.

    Args:
        tasks (Iterable[Task]): The runs. Other settings in their folders end
            the process with a sentence before anything is written.
    """
    tasks = list(tasks)
    for task in tasks:
        path = task.folder / CONFIG
        if path.exists() and path.read_text() != task.text:
            sys.exit(f'{path} exists, with other settings. Give another '
                     '--work-dir, or the options of the first time; methods '
                     'and seeds can be added.')
    for task in tasks:
        write_whole(task.text.encode(), task.folder / CONFIG)


def write_initial(path: Path, base: Base, seed: int) -> None:
    """Write the weights that all methods start from, if they are not there.

    Args:
        path (Path): The file.
        base (Base): What all runs share.
        seed (int): Of what is drawn.
    """
    if path.exists():
        return
    settings = copy.deepcopy(dict(
        base.cfg.model, data_preprocessor=base.cfg.data_preprocessor))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MODELS.build(settings)
        model.init_weights()
    if base.cfg.get('load_from'):
        load_checkpoint(model, base.cfg.load_from, 'cpu')
    buffer = io.BytesIO()
    torch.save(dict(state_dict=model.state_dict()), buffer)
    write_whole(buffer.getvalue(), path)
