"""Write the config of a run that trains a network on photos."""
import sys
from pathlib import Path
from string import Template
from typing import Any

from .methods import Method
from .networks import Network
from .photos import Photos, Split

FINE_TUNING, FROM_SCRATCH = 5e-4, 1e-3  # learning rates of AdamW
CROP = 256 / 224  # short side before the centre crop, by its size
TEXT = Template('''\
# Written by `alignmix train --data`. You can change any of it, then train with
# `alignmix train` and the path of this file. --resume continues a run.
default_scope = 'mmpretrain'
custom_imports = dict(imports=['alignmix_mm'], allow_failed_imports=False)
work_dir = '{{ fileDirname }}'

# The network $name, with a head for these classes.
data_preprocessor = $preprocessor
model = $model

# The photos. A label is an index of `classes`.
data_root = $root
classes = $classes
train_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(type='RandomResizedCrop', scale=$size, crop_ratio_range=(0.35, 1.0)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(type='ResizeEdge', scale=$edge, edge='short'),
    dict(type='CenterCrop', crop_size=$size),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=$batch_size,
    num_workers=$workers,
    drop_last=True,  # a small last batch has too few partners to mix with
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ClassFolders', data_root=data_root, classes=classes,
        $train, pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=$batch_size,
    num_workers=$workers,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ClassFolders', data_root=data_root, classes=classes,
        $val, pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=$batch_size,
    num_workers=$workers,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ClassFolders', data_root=data_root, classes=classes,
        $test, pipeline=test_pipeline))
val_evaluator = dict(type='Accuracy', topk=$topk)
test_evaluator = val_evaluator

# The schedule.
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=$lr, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=5.0))
param_scheduler = $schedule
train_cfg = dict(by_epoch=True, max_epochs=$epochs, val_interval=1)
val_cfg = dict()
test_cfg = dict()

default_hooks = dict(
    logger=dict(type='LoggerHook', interval=10),
    # keeps the last checkpoint and the best one
    checkpoint=dict(
        type='CheckpointHook', interval=1, max_keep_ckpts=1,
        save_best='auto'),
    visualization=dict(type='VisualizationHook', enable=False))
randomness = dict(seed=$seed)
''')


def require_plain(folder: Path) -> None:
    """Refuse a folder whose path would end a string of its config.

    Args:
        folder (Path): Of the config. MMEngine puts its path into the text.
    """
    if "'" in str(folder.resolve()):
        sys.exit(f'{folder.resolve()} has an apostrophe in its path, which '
                 'MMEngine cannot put into a config. Give another '
                 '--work-dir.')


def write_config(photos: Photos, network: Network, method: Method,
                 weights: str | None, *, epochs: int, batch_size: int,
                 size: int, lr: float | None, workers: int,
                 seed: int) -> str:
    """Write the config.

    Args:
        photos (Photos): The data.
        network (Network): The network.
        method (Method): How batches are mixed.
        weights (str, optional): File or URL to start from; None for random
            weights.
        epochs (int): Epochs of training.
        batch_size (int): Images per step.
        size (int): Height and width of the images.
        lr (float, optional): Learning rate of AdamW. None means 0.0005 with
            ``weights`` and 0.001 without.
        workers (int): Processes that load images.
        seed (int): Random seed of the run.

    Returns:
        str: The text of the file.
    """
    model = model_of(network, method, weights)
    few = len(photos.classes) < 5
    splits = {'test': photos.splits['val'], **photos.splits}
    return TEXT.substitute(
        name=network.name, preprocessor=source(network.preprocessor),
        model=source(model), root=source(str(photos.root)),
        classes=source(list(photos.classes)), size=size,
        edge=round(CROP * size), batch_size=batch_size, workers=workers,
        topk=(1, ) if few else (1, 5), epochs=epochs, lr=lr or (
            FROM_SCRATCH if weights is None else FINE_TUNING),
        schedule=source(_schedule(epochs)), seed=seed,
        **{name: _location(split) for name, split in splits.items()})


def model_of(network: Network, method: Method,
             weights: str | None = None) -> dict:
    """Combine a network and a method.

    Args:
        network (Network): The network.
        method (Method): How batches are mixed.
        weights (str, optional): File or URL to start from. Defaults to None.

    Returns:
        dict: Config of the classifier.
    """
    model = {**network.model, **method.model}
    model['head'] = {key: value for key, value in model['head'].items()
                     if key not in ('topk', 'cal_acc')}
    model['head']['loss'] = dict(type='CrossEntropyLoss')
    if method.train_cfg is not None:
        model['head']['loss']['use_soft'] = True  # mixed labels
        model['train_cfg'] = method.train_cfg
    if weights is not None:
        model['backbone'] = dict(model['backbone'], init_cfg=dict(
            type='Pretrained', checkpoint=weights, prefix='backbone'))
    return model


def _schedule(epochs: int) -> list[dict]:
    """Warm up for one epoch, if there are several; then a cosine to 0."""
    warmup = 1 if epochs > 1 else 0
    first = dict(type='LinearLR', start_factor=0.01, end=1,
                 convert_to_iter_based=True)
    rest = dict(type='CosineAnnealingLR', begin=warmup, end=epochs,
                T_max=epochs - warmup, convert_to_iter_based=True)
    return [first, rest] if warmup else [rest]


def _location(split: Split) -> str:
    parts = [f'data_prefix={split.prefix!r}'] * bool(split.prefix) + [
        f'part={split.part}'] * (split.part != (0., 1.))
    return ', '.join(parts or ["data_prefix=''"])


def source(value: Any, indent: int = 0) -> str:
    """Write a setting as Python code, on one line if it fits.

    Args:
        value (Any): Dicts, lists and tuples of plain values.
        indent (int): Columns of indentation. Defaults to 0.

    Returns:
        str: The code.
    """
    if isinstance(value, dict):
        start, end = 'dict(', ')'
        items = [f'{key}={source(inner, indent + 4)}'
                 for key, inner in value.items()]
    elif isinstance(value, list):
        start, end = '[', ']'
        items = [source(inner, indent + 4) for inner in value]
    else:
        return repr(value)
    line = start + ', '.join(items) + end
    if indent + len(line) < 62 and '\n' not in line:
        return line
    inside, around = ' ' * (indent + 4), ' ' * indent
    return (f'{start}\n' + ''.join(f'{inside}{item},\n' for item in items)
            + around + end)
