"""The cells of the experiment as configs: tasks, places and plans."""
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
HERE = Path(__file__).resolve().parent


class Task(NamedTuple):
    """A data set, a network and a schedule.

    Attributes:
        config (str): Config of AlignMix that it is based on.
        title (str): Title in tables and figures.
        channels (int): Channels of the last map, which is 4x4.
        epochs (int): Epochs of training.
        interval (int): Epochs between two validations; each of the last ten
            epochs is validated.
        overrides (dict): Further changes of the config.
    """

    config: str
    title: str
    channels: int
    epochs: int
    interval: int
    overrides: dict


# The paper's CIFAR network with a quarter of the channels (1/16 of the
# products) and a stem of stride 2: A is 4x4 as in the paper, and a step takes
# a tenth of a second.
NARROW = {
    'model.backbone.base_channels': 16,
    'model.backbone.stem_stride': 2,
    'model.backbone.last_stride': 1,
    'train_dataloader.batch_size': 100,
}
TASKS = {
    'digits': Task('demo/alignmix_digits.py',
                   '100 digits, narrow ResNet-18, 300 steps', 128, 150, 10,
                   {}),
    'cifar10_small': Task(
        'demo/alignmix_r18_cifar10_folder.py',
        'CIFAR-10, 8,000 images, narrow R-18, 1,600 steps', 128, 20, 5,
        NARROW),
    'cifar10_full': Task('demo/alignmix_r18_cifar10_folder.py',
                         'CIFAR-10, R-18, 40 epochs', 512, 40, 5, {}),
}
# place: (module of the backbone, whether f is Flatten + Linear)
PLACES = {
    'neck, GAP': (None, False),
    'neck, Flatten-Linear': (None, True),
    'before the last block': ('layer4.0', False),
    'after stage 3': ('layer3', False),
}
# plan: (options of the mixer, whether positions are matched at random)
PLANS = {
    'annealed': (dict(), False),
    'paper100': (dict(solver='log', num_iters=100), False),
    'unaligned': (dict(align=False), False),
    'random permutation': (dict(), True),
}


def make_config(task: Task, place: str, plan: str, seed: int) -> Config:
    """The config of one run.

    Args:
        task (Task): The task.
        place (str): Key of ``PLACES``.
        plan (str): Key of ``PLANS``.
        seed (int): Random seed.

    Returns:
        Config: The config; the run records its figures in ``record.json``.
    """
    cfg = Config.fromfile(CONFIGS / task.config)
    cfg.merge_from_dict(task.overrides)
    (mix_at, embeds), (options, at_random) = PLACES[place], PLANS[plan]
    if embeds:
        cfg.model.neck.merge(options)
    else:
        cfg.model.neck = dict(type='GlobalAveragePooling')
        cfg.model.mix_at = mix_at
        cfg.model.mixer = options
    cfg.model.head.in_channels = task.channels
    if embeds:
        cfg.model.neck.embed.update(
            in_channels=task.channels * 16, out_channels=task.channels)
    cfg.train_cfg.update(
        max_epochs=task.epochs, val_interval=task.interval,
        dynamic_intervals=[(max(task.epochs - 9, 1), 1)])
    cfg.param_scheduler = [
        dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=30),
        dict(type='CosineAnnealingLR', by_epoch=True, T_max=task.epochs,
             eta_min=0., convert_to_iter_based=True),
    ]
    cfg.default_hooks.checkpoint = dict(
        type='CheckpointHook', interval=task.epochs)
    cfg.custom_imports = dict(
        imports=['alignmix_mm', 'recording'], allow_failed_imports=False)
    cfg.custom_hooks = [dict(type='Recorder')]
    if at_random:
        cfg.custom_hooks.append(dict(type='RandomMatching'))
    # a different sequence of modes and places for every seed
    cfg.model.train_cfg.augments[0].mode_seed = seed
    cfg.randomness = dict(seed=seed)
    return cfg


def grid(tasks: list[str], seeds: int) -> list[tuple[str, str, str, int]]:
    """All runs, seed by seed, so that an interrupted grid is balanced.

    Args:
        tasks (list[str]): Keys of ``TASKS``.
        seeds (int): Number of seeds of each cell.

    Returns:
        list[tuple]: Task, place, plan, seed.
    """
    return [(task, place, plan, seed) for task in tasks
            for seed in range(seeds) for place in PLACES for plan in PLANS]


def folder_of(run: tuple[str, str, str, int], out: Path) -> Path:
    """Folder of a run."""
    task, place, plan, seed = run
    names = [name.replace(',', '').replace(' ', '_').lower()
             for name in (place, plan)]
    return out.joinpath(task, *names, f'seed{seed}')
