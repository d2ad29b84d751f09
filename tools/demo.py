#!/usr/bin/env python
"""Train and test AlignMix and its baseline on real digits, with pictures.

100 labelled handwritten digits that ship inside scikit-learn, 900 to test on.
Every run is `tools/train.py` and `tools/test.py` with a config of
configs/demo; tables and pictures go to work_dirs/demo.
"""
import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

TOOLS = Path(__file__).resolve().parent
CONFIGS = TOOLS.parent / 'configs' / 'demo'
METHODS = ('baseline', 'alignmix')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--seeds', type=int, default=3, help='runs of each')
    parser.add_argument(
        '--jobs', type=int, default=os.cpu_count(), help='runs at a time')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/demo'))
    return parser.parse_args()


def run(method: str, seed: int, out: Path) -> float:
    """Train and test once, each in a process of its own.

    Args:
        method (str): ``'baseline'`` or ``'alignmix'``.
        seed (int): Random seed.
        out (Path): Folder of the demo.

    Returns:
        float: Top-1 accuracy on the test images, percent.
    """
    config = str(CONFIGS / f'{method}_digits.py')
    work_dir = out / f'{method}_seed{seed}'
    checkpoint = work_dir / 'epoch_150.pth'
    metrics = work_dir / 'metrics.json'
    commands = [
        [TOOLS / 'train.py', config, '--no-validate', '--work-dir', work_dir,
         '--cfg-options', f'randomness.seed={seed}'],
        [TOOLS / 'test.py', config, checkpoint, '--work-dir', work_dir,
         '--out', metrics, '--out-item', 'metrics'],
    ]
    work_dir.mkdir(parents=True, exist_ok=True)
    for command in commands:
        log = work_dir / f'{command[0].stem}.log'
        # small steps gain nothing from a second thread
        environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
        with open(log, 'w') as file:
            code = subprocess.run(
                [sys.executable, *map(str, command)], stdout=file,
                stderr=subprocess.STDOUT, env=environment).returncode
        if code:
            raise RuntimeError(f'{command[0].name} failed, see {log}:\n'
                               f'{log.read_text()[-1500:]}')
    accuracy = json.loads(metrics.read_text())['accuracy/top1']
    print(f'  {method}, seed {seed}: {accuracy:.2f} %', flush=True)
    return accuracy


def table(results: dict[str, list[float]]) -> str:
    """Mean, standard deviation and single runs of each method, Markdown."""
    seeds = len(results[METHODS[0]])
    lines = [f'| method | top-1 accuracy, mean ± sd of {seeds} seeds | runs |',
             '|---|---|---|']
    for method, values in results.items():
        spread = f' ± {np.std(values, ddof=1):.2f}' if seeds > 1 else ''
        runs = ', '.join(f'{value:.2f}' for value in values)
        lines.append(f'| {method} | {np.mean(values):.2f}{spread} | {runs} |')
    return '\n'.join(lines)


def draw(out: Path) -> list[Path]:
    """Draw mixed batches and alignments with the trained model of seed 0.

    Args:
        out (Path): Folder of the demo.

    Returns:
        list[Path]: The pictures.
    """
    import torch
    from mmengine.config import Config
    from mmengine.runner import load_checkpoint
    from mmpretrain.registry import DATASETS, MODELS

    from alignmix_mm import MixPlan
    from alignmix_mm.ops import assignment, pairwise_cost
    from alignmix_mm.visualization import (
        plot_alignment,
        plot_mixed_batch,
        save,
    )

    cfg = Config.fromfile(CONFIGS / 'alignmix_digits.py')
    model = MODELS.build(
        {**cfg.model, 'data_preprocessor': cfg.data_preprocessor,
         'train_cfg': None})
    load_checkpoint(
        model, str(out / 'alignmix_seed0' / 'epoch_150.pth'), 'cpu',
        logger='silent')
    model.eval()
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    labels = dataset.get_gt_labels()
    chosen = [int(np.flatnonzero(labels == digit)[1]) for digit in range(8)]
    images = torch.stack([dataset[n]['inputs'] for n in chosen])
    pixels = images.permute(0, 2, 3, 1).numpy()

    # each digit with another one, from an even blend to almost one of them
    order = torch.arange(8).roll(-3)
    plan = MixPlan('input', torch.linspace(.5, .9, 8), order)
    partners = plan.perm.numpy()
    mixed = plan.mix(images.float()).permute(0, 2, 3, 1).numpy()
    titles = [f'{n} and {m}' for n, m in enumerate(partners)]
    pictures = [out / 'mixed_batch.png']
    save(plot_mixed_batch(pixels, pixels[partners], mixed.astype(np.uint8),
                          plan.lam.numpy(), titles), pictures[0])

    inputs = model.data_preprocessor(dict(inputs=images))['inputs']
    with torch.no_grad():
        maps = model.extract_feat(inputs, stage='backbone')[-1]
    R = assignment(pairwise_cost(maps.flatten(2), maps[plan.perm].flatten(2)))
    for n in range(3):
        pictures.append(out / f'alignment_{n}.png')
        figure = plot_alignment(
            pixels[n], pixels[partners[n]], R[n].numpy(), maps.shape[2:],
            f'Where each position of {n} finds its match in {partners[n]}')
        save(figure, pictures[-1])
    return pictures


def main() -> None:
    """Run the demo."""
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    runs = [(method, seed) for seed in range(args.seeds) for method in METHODS]
    print(f'{len(runs)} runs, {args.jobs} at a time; logs in {args.out}/',
          flush=True)
    with ThreadPoolExecutor(args.jobs) as pool:
        values = list(pool.map(lambda job: run(*job, args.out), runs))
    results = {method: values[n::len(METHODS)]
               for n, method in enumerate(METHODS)}
    pictures = draw(args.out)
    text = table(results)
    (args.out / 'results.md').write_text(text + '\n')
    (args.out / 'results.json').write_text(json.dumps(results, indent=1))
    print(f'\n{text}\n')
    print('100 training images; differences of the size of the deviation say '
          'nothing.')
    for path in [args.out / 'results.md', *pictures]:
        print(path)
    print(f'{time.perf_counter() - start:.0f} s')


if __name__ == '__main__':
    main()
