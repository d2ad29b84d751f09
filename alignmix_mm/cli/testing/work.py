"""Run a test and write its results."""
import argparse
import math
from pathlib import Path
from typing import Any

import mmengine
from mmengine.dist import is_main_process
from mmengine.evaluator import DumpResults

from ..common import build_runner, leave
from ..common.run import ResultsRunner
from ..common.scores import require_predictions
from .passes import passes
from .settings import augment_at_test_time, show_predictions, test_config


def run(args: argparse.Namespace) -> None:
    """Evaluate a checkpoint.

    Args:
        args (Namespace): Parsed options.

    Raises:
        WeightsError: If the weights do not fit the network.
        ValueError: If the network cannot predict.
    """
    cfg = test_config(args)
    if args.amp:
        cfg.test_cfg.fp16 = True
    if args.show or args.show_dir:
        show_predictions(cfg, args)
    if args.tta:
        augment_at_test_time(cfg)
    first, *others = passes(cfg, args)
    cfg.test_dataloader = first.pop('dataloader')
    cfg.test_evaluator = first.pop('evaluator')
    cfg.test_cfg = first
    if cfg.get('train_cfg') is None:
        cfg.train_dataloader = None
    runner = build_runner(cfg, ResultsRunner)
    require_predictions(runner.model)
    if args.out_item == 'pred':
        runner.test_evaluator.metrics.append(DumpResults(args.out))
    metrics = runner.test()
    for loop in others:
        runner._test_loop = runner.build_test_loop(loop)
        metrics.update(runner.test())
    if is_main_process():
        write(metrics, Path(runner.log_dir) / 'metrics.json')
        if args.out_item == 'metrics':
            write(metrics, Path(args.out))
    leave()


def write(metrics: dict[str, Any], path: Path) -> None:
    """Write metrics to a file.

    Args:
        metrics (dict[str, Any]): Metrics by name.
        path (Path): A JSON, YAML or pickle file. Values that are not finite,
            which JSON cannot hold, become null.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    mmengine.dump({
        name: None if isinstance(value, float) and not math.isfinite(value)
        else value for name, value in metrics.items()}, str(path))
    print(f'Results: {path}')
