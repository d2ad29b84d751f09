#!/usr/bin/env python
"""Train CIFAR-100's configs side by side for a few epochs, with seeds.

Methods share data, order, schedule and, if networks are equal, initial
weights; --same-network gives AlignMix's encoder to all. Images stay on the
device, because this compares mixing, not loaders. The schedule is short
(linear warm-up, then cosine), so the figures compare methods under this
schedule, and say nothing about the paper's 2,000 epochs. Test images are used
once, with the last weights: accuracy, accuracy after FGSM of 8/255, and ECE.
"""
import argparse
import functools
import itertools
import json
import math
import statistics
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from measure import write
from mmengine.config import Config
from mmengine.logging import MessageHub
from torch import Tensor
from train import batches, read_classes
from training import CONFIGS, SHAPES, build, make_wrapper

from alignmix_mm.evaluation.functional import (
    expected_calibration_error,
    projected_gradient_ascent,
)
from alignmix_mm.mixing.draws import STEP_KEY

METHODS = {
    'baseline': 'baselines/baseline_{}.py',
    'mixup': 'baselines/input_{}.py',
    'cutmix': 'baselines/cutmix_{}.py',
    'manifold': 'baselines/manifold_{}.py',
    'saliencymix': 'baselines/saliencymix_{}.py',
    'puzzlemix': 'baselines/puzzlemix_{}.py',
    'unaligned': 'ablation/alignmix_xae_unaligned_{}.py',
    'alignmix': 'alignmix_{}.py',
}
WARMUP = .05  # of all steps
FGSM = 8  # of 255
FIGURES = ('accuracy', 'accuracy_fgsm', 'ece')  # percent


def rate(step: int, steps: int, peak: float) -> float:
    """Learning rate: linear warm-up, then half a cosine down to zero."""
    warmup = max(1, round(WARMUP * steps))
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak / 2 * (1 + math.cos(
        math.pi * (step - warmup) / (steps - warmup)))


def load_config(method: str, args: argparse.Namespace) -> Config:
    """Config of a method, with AlignMix's network if requested."""
    cfg = Config.fromfile(CONFIGS / METHODS[method].format(args.config))
    if not args.same_network or cfg.model.neck.type == 'AlignMixNeck':
        return cfg
    own = cfg.model.get('train_cfg')
    cfg = Config.fromfile(CONFIGS / METHODS['alignmix'].format(args.config))
    cfg.model.train_cfg = own
    cfg.model.head.loss.use_soft = own is not None  # labels of mixed images
    return cfg


def run(method: str, seed: int, args: argparse.Namespace, data: Path,
        trial: int | None = None) -> dict:
    """Train and test once.

    Args:
        method (str): A key of ``METHODS``.
        seed (int): Seed of everything.
        args (Namespace): The options.
        data (Path): File that :func:`pack` wrote.
        trial (int, optional): Run only this many steps, to time one while
            the others run too. Defaults to None.

    Returns:
        dict: Method, seed, ``FIGURES``, loss, seconds per step.
    """
    torch.set_num_threads(1)
    with np.load(data) as pack:
        arrays = {name: torch.from_numpy(pack[name]) for name in pack.files}
    images = arrays['train_images'].to(args.device)
    model = build(load_config(method, args), args.device, seed)
    model.to(memory_format=torch.channels_last)  # half of the time in bfloat16
    torch.backends.cudnn.benchmark = args.device.type == 'cuda'
    MessageHub.get_current_instance().runtime_info.pop(STEP_KEY, None)
    wrapper = make_wrapper(model, args.lr, args.amp, args.device)
    args.steps = trial or args.epochs * (len(images) // args.batch)
    losses, start = [], time.perf_counter()
    for n, batch in enumerate(
            batches(images, arrays['train_labels'], args, seed)):
        if n == args.steps // 2 and trial:  # the first steps choose kernels
            losses[-1].cpu()
            start, args.steps = time.perf_counter(), args.steps - n
        for group in wrapper.optimizer.param_groups:
            group['lr'] = rate(n, args.steps, args.lr)
        losses.append(model.train_step(batch, wrapper)['loss'].detach())
    loss = torch.stack(losses[-100:]).mean().item()
    seconds = time.perf_counter() - start
    return dict(
        method=method, seed=seed, loss=loss, seconds_per_step=seconds /
        args.steps, **evaluate(model, arrays, args.device))


@torch.no_grad()
def evaluate(model: torch.nn.Module, arrays: dict[str, Tensor],
             device: torch.device) -> dict[str, float]:
    """``FIGURES`` of the test images."""
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)

    def logits_of(images: Tensor) -> Tensor:
        inputs = model.data_preprocessor(dict(inputs=images))['inputs']
        return model(inputs, mode='tensor')

    clean, attacked = [], []
    for images, labels in zip(arrays['test_images'].to(device).split(500),
                              arrays['test_labels'].to(device).split(500)):
        images = images.float()
        clean.append(logits_of(images))
        attacked.append(logits_of(projected_gradient_ascent(
            logits_of, images, labels, eps=FGSM, step=FGSM, num_steps=1)))
    labels = arrays['test_labels']
    clean, attacked = (torch.cat(parts).cpu().double()
                       for parts in (clean, attacked))
    hits = [(logits.argmax(1) == labels).double().mean().item()
            for logits in (clean, attacked)]
    ece = expected_calibration_error(F.softmax(clean, 1), labels)
    return {name: 100 * value
            for name, value in zip(FIGURES, (*hits, ece))}


def pack(folder: Path, per_class: int | None, out: Path) -> None:
    """Read FOLDER/{train,test}/CLASS/* once, for all runs."""
    arrays = {}
    for split, count in (('train', 500), ('test', 100)):
        images, labels = read_classes(
            folder / split, min(count, per_class or count), 32)
        arrays[f'{split}_images'] = images.flip(1).numpy()  # RGB
        arrays[f'{split}_labels'] = labels.numpy()
    np.savez(out, **arrays)


def summarize(runs: list[dict]) -> dict:
    """Mean, standard deviation and single runs, percent.

    Args:
        runs (list[dict]): Results of :func:`run`.

    Returns:
        dict: Values by method and figure.
    """
    table = {}
    for run in sorted(runs, key=lambda run: run['seed']):
        for figure in FIGURES:
            table.setdefault(run['method'], {}).setdefault(
                figure, []).append(run[figure])
    return {method: {figure: dict(
        mean=statistics.mean(values), runs=values,
        sd=statistics.stdev(values) if len(values) > 1 else None)
        for figure, values in figures.items()}
        for method, figures in table.items()}


def affordable(trials: list[dict], args: argparse.Namespace,
               start: float) -> int:
    """Number of epochs that fit into the time, judged by the steps of trials.

    Args:
        trials (list[dict]): Results of :func:`run`.
        args (Namespace): The options.
        start (float): Start of the time, ``time.perf_counter()``.

    Returns:
        int: Epochs, at least 1.
    """
    step = max(trial['seconds_per_step'] for trial in trials)
    rounds = math.ceil(len(trials) / args.jobs)
    left = args.seconds - (time.perf_counter() - start)
    epoch = step * (500 * 100 // args.batch)
    epochs = max(1, int(left / rounds / epoch))
    print(f'at most {1e3 * step:.1f} ms per step, {left:.0f} s left: '
          f'{epochs} epochs', flush=True)
    return epochs


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--images', type=Path, required=True,
                        help='holds train/CLASS/* and test/CLASS/*')
    parser.add_argument('--config', choices=SHAPES, default='r18_cifar100')
    parser.add_argument('--methods', nargs='+', choices=METHODS,
                        default=['baseline', 'mixup', 'alignmix'])
    parser.add_argument('--same-network', action='store_true',
                        help="use AlignMix's encoder for all methods")
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--epochs', type=int, default=30)
    parser.add_argument('--seconds', type=float, help='train for about this '
                        'long instead; sets epochs by the time of a step')
    parser.add_argument('--lr', type=float, default=.1)
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--per-class', type=int,
                        help='fewer images, for a trial')
    parser.add_argument('--jobs', type=int, default=9,
                        help='parallel runs on one device')
    parser.add_argument('--amp', choices=('off', 'bf16'), default='bf16')
    parser.add_argument('--device', type=torch.device,
                        default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--name', help='name of the result; '
                        'default: accuracy_CONFIG_DEVICE')
    return parser.parse_args()


def main() -> None:
    """Train all methods, print, and write after each run."""
    args = parse_args()
    name = args.name or f'accuracy_{args.config}_{args.device.type}'
    data = Path('work_dirs') / f'cifar100_{args.per_class or "all"}.npz'
    data.parent.mkdir(exist_ok=True)
    if not data.exists():
        pack(args.images, args.per_class, data)
    runs, start = [], time.perf_counter()
    tasks = [*itertools.product(range(args.seeds), args.methods)]
    with ProcessPoolExecutor(args.jobs, get_context('spawn')) as pool:
        if args.seconds:
            args.epochs = affordable(
                [*pool.map(functools.partial(run, args=args, data=data,
                                             trial=60),
                           *reversed([*zip(*tasks)]))], args, start)
        futures = [pool.submit(run, method, seed, args, data)
                   for seed, method in tasks]
        for future in as_completed(futures):
            runs.append(future.result())
            print(json.dumps(runs[-1]), flush=True)
            path = write(name, dict(
                config=args.config, ran_on=args.device.type, amp=args.amp,
                lr=args.lr, batch=args.batch, epochs=args.epochs,
                same_network=args.same_network,
                seconds=time.perf_counter() - start, finished=len(runs),
                planned=args.seeds * len(args.methods),
                methods=summarize(runs), runs=runs), args.device)
    for method, figures in summarize(runs).items():
        print(f'{method:<12}', *(
            f'{name} {row["mean"]:.2f}' + (
                '' if row['sd'] is None else f' +- {row["sd"]:.2f}')
            for name, row in figures.items()), sep='  ')
    print(path)


if __name__ == '__main__':
    main()
