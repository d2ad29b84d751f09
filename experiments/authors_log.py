#!/usr/bin/env python
"""Train like the authors' code, and compare with the log they published.

Their log of CIFAR-10, R-18 gives the mean training loss and the test accuracy
of every epoch; the learning rate is 0.1 in the first 500. Losses of single
steps are recorded too, by mode.

  python experiments/authors_log.py              # 50 epochs, on a GPU
  python experiments/authors_log.py --epochs 1   # half an hour on a CPU

CIFAR-10 is read from folders of images if $ALIGNMIX_CIFAR10 is set
($ALIGNMIX_CIFAR10/{train,test}/<class>/<image>), else from data/cifar10.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from matplotlib.figure import Figure
from mmengine.config import Config

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# (first epoch, last epoch): mean and spread, read from the published log
LOSSES = {(1, 1): (2.046, None), (10, 10): (1.215, None),
          (16, 20): (1.128, .022), (21, 30): (1.092, .015),
          (41, 50): (1.035, .007)}
ACCURACIES = {(1, 1): (43.59, None), (11, 20): (86.3, 1.4),
              (21, 30): (88.1, 1.0), (41, 50): (89.8, .9)}
SOURCE = ("AlignMixup_CVPR22, logfiles/cifar10/log_r18.txt; cross-entropy "
          'with mixed labels, and test accuracy in percent')
COLORS = {'input': 'C0', 'feat': 'C1', 'feat_swap': 'C2'}
SMOOTH = 25  # steps of a mode


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--epochs', type=int, default=50)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs/authors_log'))
    parser.add_argument(
        '--name', default='authors_log', help='name of the result files')
    return parser.parse_args()


def make_config(epochs: int, seed: int) -> Config:
    """The config of the run: a constant learning rate, and a recorder.

    Args:
        epochs (int): Epochs of training.
        seed (int): Random seed.

    Returns:
        Config: The config; the run records its losses in ``curve.json``.
    """
    cfg = Config.fromfile(ROOT / 'configs/alignmix_r18_cifar10_official.py')
    if 'ALIGNMIX_CIFAR10' in os.environ:
        folder = Config.fromfile(
            ROOT / 'configs/demo/alignmix_r18_cifar10_folder.py')
        cfg.data_preprocessor = folder.data_preprocessor
        for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            cfg[name] = folder[name]
    cfg.param_scheduler = None
    cfg.train_cfg.update(max_epochs=epochs)
    cfg.default_hooks.checkpoint = dict(
        type='CheckpointHook', interval=10, max_keep_ckpts=1)
    cfg.custom_imports = dict(
        imports=['alignmix_mm', 'recording'], allow_failed_imports=False)
    cfg.custom_hooks = [dict(type='CurveRecorder')]
    cfg.randomness = dict(seed=seed)
    return cfg


def train(args: argparse.Namespace) -> dict:
    """Train once.

    Args:
        args (Namespace): The options.

    Returns:
        dict: The curve of the run.
    """
    folder = args.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / 'config.py'
    make_config(args.epochs, args.seed).dump(config)
    paths = [str(HERE), os.environ.get('PYTHONPATH', '')]
    subprocess.run(
        [sys.executable, str(ROOT / 'tools/train.py'), str(config),
         '--work-dir', str(folder)], check=True,
        env={**os.environ,
             'PYTHONPATH': os.pathsep.join(filter(None, paths))})
    return json.loads((folder / 'curve.json').read_text())


def compare(ours: dict[int, float], theirs: dict[tuple, tuple]) -> list[dict]:
    """Compare means over windows of epochs with those of the log.

    Args:
        ours (dict[int, float]): Value of each of our epochs, from 1.
        theirs (dict): Mean and spread of each window of epochs.

    Returns:
        list[dict]: One entry for each window that our run has reached.
    """
    windows = []
    for (first, last), (mean, spread) in theirs.items():
        values = [ours[n] for n in range(first, last + 1) if n in ours]
        if len(values) == last - first + 1:
            windows.append(dict(
                epochs=[first, last], published=mean, spread=spread,
                ours=round(statistics.mean(values), 4)))
    return windows


def by_epoch(curve: dict) -> dict[int, float]:
    """Mean loss of every complete epoch."""
    steps, losses = curve['steps_per_epoch'], curve['losses']
    return {n + 1: statistics.mean(losses[n * steps:(n + 1) * steps])
            for n in range(len(losses) // steps)}


def draw(curve: dict, path: Path) -> None:
    """Moving mean of the loss, by mode.

    Args:
        curve (dict): Modes and losses of all steps.
        path (Path): File of the figure.
    """
    figure = Figure(figsize=(6, 3.6), layout='constrained')
    ax = figure.subplots()
    for mode, color in COLORS.items():
        steps = [n for n, m in enumerate(curve['modes']) if m == mode]
        values = [curve['losses'][n] for n in steps]
        ax.plot(steps, values, '.', ms=2, alpha=.3, color=color)
        ax.plot(steps[SMOOTH - 1:], [
            statistics.mean(values[n:n + SMOOTH])
            for n in range(len(values) - SMOOTH + 1)], color=color,
            label=f'{mode}, mean of {SMOOTH}')
    ax.set_xlabel('step')
    ax.set_ylabel('cross-entropy with mixed labels')
    ax.set_title('CIFAR-10, R-18, as the authors\' code trains', fontsize=10)
    ax.grid(alpha=.3)
    ax.legend(fontsize=8)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Train, compare, write."""
    args = parse_args()
    curve = train(args)
    accuracies = {int(n): round(value, 2)
                  for n, value in curve['accuracy'].items()}
    path = ROOT / 'benchmarks/results' / args.name
    record = dict(
        command=' '.join(['python', 'experiments/authors_log.py',
                          *sys.argv[1:]]),
        published=SOURCE, device=curve['device'], torch=curve['torch'],
        steps_per_epoch=curve['steps_per_epoch'],
        loss=compare(by_epoch(curve), LOSSES),
        accuracy=compare(accuracies, ACCURACIES),
        accuracy_of_epochs=accuracies,
        modes=curve['modes'], losses=[round(x, 4) for x in curve['losses']])
    path.with_suffix('.json').write_text(json.dumps(record) + '\n')
    draw(curve, path.with_suffix('.png'))
    print(json.dumps({key: record[key] for key in ('loss', 'accuracy')},
                     indent=1))
    print(path.with_suffix('.json'), path.with_suffix('.png'), sep='\n')


if __name__ == '__main__':
    main()
