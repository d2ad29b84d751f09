"""Train and evaluate one run: `python -m alignmix_mm.cli.comparing.run DIR`.

It goes on where it was stopped, and a complete one is left alone.
"""
import argparse
import json
import math
import os
import resource
import statistics
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from ...engine import compat
from ...engine.checkpoints import write_whole
from ..common import build_runner, load_config, make_safe
from ..errors import describe
from ..reporting.scalars import read_scalars
from .evaluation import figures_of
from .lock import locked
from .pictures import draw_batch
from .tasks import CONFIG

RESULT = 'result.json'


def run(folder: str | Path) -> None:
    """Train and evaluate, and write ``result.json`` when all is done.

    Args:
        folder (str | Path): The folder of the run, with its config.
    """
    folder = Path(folder)
    compat.enable()
    with locked(folder, wait=True):  # one that was left alone may still end
        if (folder / RESULT).exists():
            return
        cfg = _read(folder)
        told = cfg.comparison.to_dict()
        loops = told.pop('tests')
        runner = build_runner(cfg)
        try:
            runner.train()
            told['figures'] = _evaluate(runner, loops)
        except FloatingPointError as error:  # a result, too
            told.update(figures={}, diverged=str(error))
        told.update(_course(folder))
        if told.pop('pictures'):
            draw_batch(runner, folder)
        text = json.dumps(told, indent=1, allow_nan=False) + '\n'
        write_whole(text.encode(), folder / RESULT)


def read_result(folder: Path) -> dict[str, Any] | None:
    """What a run gave.

    Args:
        folder (Path): Its folder.

    Returns:
        dict, optional: None if it is not complete.
    """
    path = folder / RESULT
    return json.loads(path.read_text()) if path.exists() else None


def _read(folder: Path) -> Config:
    cfg = load_config(argparse.Namespace(
        config=str(folder / CONFIG), work_dir=str(folder), amp=False,
        cfg_options=None, no_pin_memory=False, launcher='none',
        trust_checkpoint=False, local_rank=0), ['train_dataloader'])
    make_safe(cfg, 'auto')
    loops = cfg.comparison.tests
    if loops:
        cfg.update(_loop(cfg, loops[0]))
    else:
        cfg.test_dataloader = None
    return cfg


def _loop(cfg: Config, loop: dict) -> dict[str, Any]:
    """A loop as the three parts that a runner wants."""
    given = dict(loop)
    loader = dict(cfg.test_dataloader)
    loader['dataset'] = given.pop('dataset', loader['dataset'])
    return dict(test_dataloader=loader, test_evaluator=given.pop('evaluator'),
                test_cfg=given)


def _evaluate(runner: Runner, loops: list[dict]) -> dict[str, float | None]:
    """Figures of the last weights; None where one is not finite."""
    metrics: dict[str, float] = {}
    cfg = runner.cfg
    for n, loop in enumerate(loops):
        if n:
            parts = _loop(cfg, loop)
            runner._test_loop = runner.build_test_loop(dict(
                parts['test_cfg'], dataloader=parts['test_dataloader'],
                evaluator=parts['test_evaluator']))
        metrics.update(runner.test())
    return {name: value if math.isfinite(value) else None
            for name, value in figures_of(metrics).items()}


def _course(folder: Path) -> dict[str, float]:
    """Seconds of a step with its data, the last losses, peak memory."""
    curves = read_scalars(sorted(folder.glob('*/vis_data/scalars.json')))
    found = {}
    for name, curve, part in (
            ('seconds_per_step', 'time', .5),  # the first steps warm up
            ('training_loss', 'loss', .1)):
        values = [*curves.training.get(curve, {}).values()]
        last = values[-math.ceil(part * len(values)):]
        if last and math.isfinite(sum(last)):
            found[name] = statistics.fmean(last)
    peak = (torch.cuda.max_memory_allocated() / 2**20
            if torch.cuda.is_available() else
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
    return dict(found, memory_mib=peak)


def _end_with_parent() -> None:
    """End this process when the one that started it ends, however it does."""
    def wait() -> None:
        os.read(sys.stdin.fileno(), 1)  # nothing, when its end is closed
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == '__main__':
    _end_with_parent()
    try:
        run(sys.argv[1])
    except Exception as error:
        traceback.print_exc()
        sys.exit(describe(error))  # the last line of the log
