"""Kill random runs, resume them, and compare them with uninterrupted ones.

`python tests/soak.py --count 200` draws 200 combinations of training settings.
It runs each without interruption, then again with `kill -9` at random moments,
and compares all tensors and files. A seed fixes everything except the exact
moment of kills by the clock. The exit status is the number of combinations
that differ.
"""
import argparse
import gc
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import deque
from pathlib import Path

os.environ['CUDA_VISIBLE_DEVICES'] = ''  # CUDA does not survive a fork

import torch
from commands import forget_run
from mmengine.config import Config
from mmengine.fileio import LocalBackend
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from tiny_run import (
    by_iterations,
    differing,
    make_runner,
    outcome,
    tiny_config,
    train,
)

from alignmix_mm.engine import writing

# A hook's method, or an operation on a file; 'clock' is any moment.
MOMENTS = ('clock', 'before_train_iter', 'after_train_iter',
           'before_train_epoch', 'after_train_epoch', 'before_val',
           'before_val_iter', 'after_val_epoch', 'after_val',
           'before_save_checkpoint', 'write', 'rename', 'remove')


@HOOKS.register_module()
class BadSteps(Hook):
    """Make the gradient of some steps NaN."""

    def __init__(self, steps):
        self.steps = steps

    def before_train(self, runner):
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        model.head.fc.weight.register_hook(
            lambda grad: torch.full_like(grad, torch.nan)
            if runner.iter + 1 in self.steps else grad)


@HOOKS.register_module()
class Trainer(Hook):
    """A hook whose state influences training."""

    def __init__(self):
        self.losses, self.count = deque(maxlen=3), 0

    def after_train_iter(self, runner, batch_idx, data_batch=None,
                         outputs=None):
        self.losses.append(float(outputs['loss'].detach()))
        self.count += 1
        with torch.no_grad():
            runner.model.head.fc.bias.add_(1e-3 * sum(
                loss for loss in self.losses if loss == loss))


def draw(seed: int, folder: Path) -> tuple[Config, dict]:
    """Draw a combination of settings.

    Args:
        seed (int): Seed of the draw.
        folder (Path): Folder of the run.

    Returns:
        tuple[Config, dict]: The config; ``on_nan``.
    """
    dice = random.Random(seed)
    pick = dice.choice
    cfg = tiny_config(folder, epochs=3, **{
        'train_dataloader.num_workers': (workers := pick([0, 0, 1, 2])),
        'train_dataloader.persistent_workers': bool(workers and pick([0, 1])),
        'optim_wrapper.accumulative_counts': pick([1, 1, 2, 3, 5]),
        'optim_wrapper.type': pick(['OptimWrapper', 'Bfloat16']),
        'optim_wrapper.clip_grad': pick([None, dict(max_norm=1.)]),
        'default_hooks.checkpoint.interval': pick([1, 1, 2]),
        'default_hooks.checkpoint.max_keep_ckpts': pick([-1, 1, 1, 2]),
        'default_hooks.checkpoint.save_best': pick([None, 'accuracy/top1']),
        'train_cfg.val_interval': pick([1, 1, 2]),
        'model.train_cfg.augments': pick([
            [dict(type='AlignMix')],
            [dict(type='AlignMix'), dict(type='Mixup', alpha=1.)],
            [dict(type='AlignMix'), dict(type='CutMix', alpha=1.)],
            [dict(type='Mixup', alpha=.5)]])})
    if pick([0, 1]):
        cfg.optim_wrapper.optimizer = dict(type='AdamW', lr=1e-2)
    data = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = pick([
        data, data, dict(data, type='TinyImagesWithoutIndex'),
        dict(type='RepeatDataset', times=2, dataset=data),
        dict(type='ClassBalancedDataset', oversample_thr=.4, dataset=data)])
    _draw_loop(cfg, dice)
    on_nan = pick(['stop', 'skip'])
    cfg.custom_hooks = _draw_hooks(cfg, dice, on_nan)
    return cfg, dict(on_nan=on_nan)


def _draw_loop(cfg: Config, dice: random.Random) -> None:
    pick = dice.choice
    plateau = dict(type='ReduceOnPlateauLR', monitor='accuracy/top1',
                   rule='greater', patience=1, threshold=.5)
    if pick([0, 1, 1]):
        cfg.train_dataloader.sampler.type = pick(
            ['DefaultSampler', 'DefaultSampler', 'RepeatAugSampler'])
        cfg.default_hooks.checkpoint.by_epoch = pick([True, True, False])
        if pick([0, 0, 1]):
            cfg.param_scheduler = [plateau]
        return
    by_iterations(cfg, steps=pick([9, 13]), every=pick([2, 3, 4]),
                  sampler=pick(['InfiniteSampler', 'DefaultSampler']))


def _draw_hooks(cfg: Config, dice: random.Random, on_nan: str) -> list[dict]:
    pick = dice.choice
    possible = [
        dict(type='EMAHook', momentum=.1, update_buffers=pick([True, False]),
             begin_iter=pick([0, 5])),
        dict(type='EarlyStoppingHook', monitor='accuracy/top1', patience=2,
             rule='greater', min_delta=50.),
        dict(type='Trainer'),
        dict(type='MixLogHook', interval=pick([1, 3])),
        dict(type='MixVisualizationHook', interval=7)]
    if cfg.train_cfg.by_epoch:
        possible.append(dict(type='MixSchedule', off_last=1))
    if on_nan == 'skip':
        possible.append(dict(type='BadSteps', steps=dice.sample(
            range(1, 12), 2)))
    return [hook for hook in possible if pick([0, 1])]


def kill_at(moment: str, times: int) -> dict:
    """Make this process kill itself at a given moment.

    Args:
        moment (str): One of :data:`MOMENTS`.
        times (int): Number of the occurrence at which it is killed.

    Returns:
        dict: Config of a hook that does it; empty if no hook is needed.
    """
    left = [times]

    def count(*args, **kwargs) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(owner: type, name: str) -> None:
        call = getattr(owner, name)

        def counted(*args, **kwargs):
            count()
            return call(*args, **kwargs)

        setattr(owner, name, counted)

    if moment == 'write':
        before(writing.os, 'fsync')
    elif moment == 'rename':
        before(writing.Path, 'replace')
    elif moment == 'remove':
        before(LocalBackend, 'remove')
    elif moment != 'clock':
        hook = type('KillHook', (Hook, ), {
            'priority': 'HIGHEST', moment: count})
        HOOKS.register_module(name='KillHook', module=hook, force=True)
        return dict(type='KillHook')
    return {}


def run(seed: int, folder: Path, resume: str | None = None,
        moment: str | None = None, times: int = 1) -> int:
    """Train in a separate process.

    Args:
        seed (int): Seed of the combination.
        folder (Path): Folder of the run, where ``outcome`` is written.
        resume (str, optional): See ``make_safe``. Defaults to None.
        moment (str, optional): When to kill it. Defaults to None, never.
        times (int): See :func:`kill_at`; milliseconds for ``'clock'``.
            Defaults to 1.

    Returns:
        int: Exit status; negative for a signal.
    """
    process = os.fork()
    if process == 0:
        _train(seed, folder, resume, moment, times)
    if moment == 'clock':
        time.sleep(times / 1000)
        if os.waitpid(process, os.WNOHANG)[0]:
            return 0
        os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _train(seed: int, folder: Path, resume: str | None, moment: str | None,
           times: int) -> None:
    folder.mkdir(exist_ok=True)
    output = os.open(folder / 'output.txt',
                     os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1), os.dup2(output, 2)
    try:
        cfg, options = draw(seed, folder)
        if moment is not None and (hook := kill_at(moment, times)):
            cfg.custom_hooks = [*cfg.custom_hooks, hook]
        runner = make_runner(cfg, resume, **options)
        runner.train()
        tensors = outcome(runner)
        for hook in runner.hooks:
            if hasattr(hook, 'ema_model'):
                tensors.update({f'ema.{name}': value for name, value in
                                hook.ema_model.state_dict().items()})
        torch.save(dict(tensors=tensors, epoch=runner.epoch, iter=runner.iter,
                        best=runner.message_hub.runtime_info.get(
                            'best_score')), folder / 'outcome')
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def compare(seed: int, folder: Path) -> tuple[str, str]:
    """Run a combination twice, with and without kills.

    Args:
        seed (int): Seed of the combination.
        folder (Path): An empty folder.

    Returns:
        tuple[str, str]: Where it was killed; what differs, '' if nothing.
    """
    dice = random.Random(f'kills of {seed}')
    whole, killed = folder / 'whole', folder / 'killed'
    start = time.monotonic()
    if run(seed, whole) != 0:
        return '', (whole / 'output.txt').read_text()[-2000:]
    length = time.monotonic() - start
    moments = []
    for _ in range(dice.choice([1, 1, 2, 3])):
        moment = dice.choice(MOMENTS)
        times = (dice.randrange(int(1000 * length)) if moment == 'clock'
                 else dice.randrange(1, 6))
        status = run(seed, killed, 'auto', moment, times)
        moments.append(f'{moment} {times}' + (
            '' if status == -signal.SIGKILL else ' (not reached)'))
        if status > 0:
            return ', '.join(moments), _tail(killed)
    if run(seed, killed, 'auto') != 0:
        return ', '.join(moments), _tail(killed)
    return ', '.join(moments), _difference(whole, killed)


def _difference(whole: Path, killed: Path) -> str:
    one, other = (torch.load(folder / 'outcome') for folder in (whole, killed))
    found = [f'{len(names)} tensors: {names[:3]}' for names in [
        differing(one['tensors'], other['tensors'])] if names]
    found += [f'{key}: {one[key]}, {other[key]}'
              for key in ('epoch', 'iter', 'best') if one[key] != other[key]]
    files = [sorted(path.name for path in folder.iterdir()
                    if path.suffix in ('.pth', '.part'))
             for folder in (whole, killed)]
    if files[0] != files[1]:
        found.append(f'files: {files[0]}, {files[1]}')
    return '; '.join(found)


def _tail(folder: Path) -> str:
    return (folder / 'output.txt').read_text()[-2000:]


def _make_quick() -> None:
    """Skip slow parts of MMEngine that do not matter here."""
    Config.pretty_text = property(lambda self: '')  # in each checkpoint
    Runner._log_env = lambda self, env_cfg: None  # it runs compilers
    sleep = time.sleep
    time.sleep = lambda seconds: None if seconds == 2 else sleep(seconds)
    with tempfile.TemporaryDirectory() as folder:  # imports what runs need
        cfg = tiny_config(Path(folder), epochs=1)
        cfg.custom_hooks = [dict(type='MixVisualizationHook')]
        train(cfg)
    forget_run()
    gc.collect()
    gc.freeze()  # data sets collect garbage; skip imported objects


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--first', type=int, default=0, help='first seed')
    parser.add_argument('--count', type=int, default=20)
    parser.add_argument(
        '--keep', type=Path, help='folder to keep runs that differ')
    args = parser.parse_args()
    torch.set_num_threads(1)
    _make_quick()
    bad = 0
    for seed in range(args.first, args.first + args.count):
        with tempfile.TemporaryDirectory() as folder:
            start = time.monotonic()
            kills, problem = compare(seed, Path(folder))
            print(f'{seed}: {"DIFFERS" if problem else "same"} '
                  f'({time.monotonic() - start:.1f} s), killed at {kills}',
                  flush=True)
            if problem:
                bad += 1
                print(problem, flush=True)
                if args.keep:
                    shutil.copytree(folder, args.keep / str(seed),
                                    dirs_exist_ok=True)
    print(f'{bad} of {args.count} combinations differ')
    return bad


if __name__ == '__main__':
    sys.exit(main())
