"""A comparison small enough to take seconds."""
import contextlib
import json
from pathlib import Path
from unittest import mock

from commands import alignmix, forget_run
from small_run import CLASSES, write_images

from alignmix_mm.cli.comparing import execute, page, run

CONFIG = """
default_scope = 'mmpretrain'
custom_imports = dict(imports=['alignmix_mm'])
load = dict(type='LoadImageFromFile')
flip = dict(type='RandomFlip', prob=.5)
pack = dict(type='PackInputs')
data_preprocessor = dict(mean=[127.5] * 3, std=[64.] * 3, to_rgb=True)
model = dict(
    type='ImageClassifier',
    backbone=dict(type='PreActResNet_CIFAR', depth=18, base_channels=4,
                  stem_stride=2, last_stride=1),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=3, in_channels=32,
              loss=dict(type='CrossEntropyLoss')),
    train_cfg=dict(augments=dict(type='CutMix', alpha=1.)))
train_dataloader = dict(
    batch_size=6, num_workers=0, drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='CustomDataset', data_root={train!r},
                 pipeline=[load, flip, pack]))
val_dataloader = dict(
    batch_size=7, num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CustomDataset', data_root={val!r},
                 pipeline=[load, pack]))
test_dataloader = dict(
    batch_size=7, num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CustomDataset', data_root={test!r},
                 pipeline=[load, pack]))
val_evaluator = test_evaluator = dict(type='Accuracy')
val_cfg = test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='SGD', lr=.02, momentum=.9))
train_cfg = dict(by_epoch=True, max_epochs=300)
param_scheduler = dict(type='MultiStepLR', milestones=[100])
default_hooks = dict(checkpoint=dict(type='CheckpointHook', save_best='auto'))
"""


def write_config(folder: Path, **roots: str) -> Path:
    """Write a config and noise images: 20 for training, 11 for testing.

    Args:
        folder (Path): Folder to write to.
        **roots (str): Image folders to use instead of ``train``, ``val`` or
            ``test``.

    Returns:
        Path: The config.
    """
    for name, count in dict(train=7, val=3, test=4).items():
        write_images(folder / name, count)
    # one image fewer, so that the last batches have an odd size
    for name in ('train', 'val', 'test'):
        (folder / name / CLASSES[0] / '0.png').unlink()
    places = {name: str(folder / name) for name in ('train', 'val', 'test')}
    path = folder / 'tiny.py'
    text = CONFIG
    for name, place in {**places, **roots}.items():
        text = text.replace(f'{{{name}!r}}', repr(place))
    path.write_text(text)
    return path


def in_process(folders, resources):
    """Execute runs in this process."""
    for folder in folders:
        try:
            run.run(folder)
            yield folder, None
        except Exception as error:
            yield folder, str(error)
        finally:
            forget_run()


def compare(*words, code=0, pictures=False):
    """Run `alignmix compare` and its runs in this process.

    Args:
        *words: Arguments.
        code (int): Expected exit status. Defaults to 0.
        pictures (bool): Whether to draw batches and the page, which is slow.
            Defaults to False.

    Returns:
        str: What it printed.
    """
    with contextlib.ExitStack() as patches:
        patches.enter_context(mock.patch.dict(
            execute.EXECUTORS, local=in_process))
        if not pictures:
            patches.enter_context(mock.patch.object(run, 'draw_batch'))
            patches.enter_context(mock.patch.object(
                page, 'render', lambda told, folders: ''))
        return alignmix('compare', *words, code=code)


def results(folder: Path, ignored=('seconds_per_step', 'memory_mib')):
    """Rows of ``compare.json``, without what depends on the machine."""
    told = json.loads((folder / 'compare.json').read_text())
    rows = [[{key: value for key, value in row.items() if key not in ignored}
             for row in told[name]] for name in ('runs', 'methods')]
    for row in rows[0] + rows[1]:
        if row.get('training_loss') is not None:
            # MMEngine's means of losses are rounded anew after a resume
            row['training_loss'] = round(row['training_loss'], 4)
    return rows
