"""A training that takes milliseconds per step, with variations."""
import copy
import json
import os
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS, HOOKS, MODELS, OPTIM_WRAPPERS
from torch import nn

from alignmix_mm.cli.common import make_safe


@DATASETS.register_module()
class TinyImages(BaseDataset):
    """Noise images of 8x8 in three classes of 4, 8 and 12 images."""

    METAINFO = dict(classes=('one', 'two', 'three'))
    LABELS = np.repeat([0, 1, 2], [4, 8, 12])

    def load_data_list(self):
        numbers = np.random.default_rng(0)
        pixels = numbers.integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)
        return [dict(img=image, gt_label=int(label), img_shape=(8, 8),
                     ori_shape=(8, 8))
                for image, label in zip(pixels, self.LABELS)]

    def get_cat_ids(self, idx):
        return [int(self.LABELS[idx])]


@DATASETS.register_module()
class TinyImagesWithoutIndex(TinyImages):
    """The same without `sample_idx`, which identifies an image."""

    def prepare_data(self, idx):
        data = self.get_data_info(idx)
        data.pop('sample_idx')
        return self.pipeline(data)


@MODELS.register_module()
class TinyBackbone(nn.Sequential):
    """A convolution, BatchNorm and dropout; returns 4x4 maps."""

    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3, 2, 1, bias=False),
                         nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(.1))

    def forward(self, x):
        return super().forward(x),


@OPTIM_WRAPPERS.register_module()
class Bfloat16(OptimWrapper):
    """Like MMEngine's AmpOptimWrapper, which does not support CPUs."""

    @contextmanager
    def optim_context(self, model):
        with super().optim_context(model), torch.autocast(
                'cpu', torch.bfloat16):
            yield


@HOOKS.register_module()
class StockDraws(Hook):
    """Record the stock augmentations of a rank and the labels they made."""

    def before_train(self, runner):
        model = getattr(runner.model, 'module', runner.model)
        self.drawn = []
        for augment in model.data_preprocessor.batch_augments.augments:
            augment.mix = self.listen(type(augment).__name__, augment.mix)

    def listen(self, name, mix):
        def mix_and_tell(images, scores):
            images, scores = mix(images, scores)
            self.drawn.append([name, float(scores.max(1).values.min())])
            return images, scores

        return mix_and_tell

    def after_train(self, runner):
        path = Path(runner.work_dir) / f'rank{get_rank()}.json'
        path.write_text(json.dumps(self.drawn))


PIPELINE = [
    dict(type='RandomFlip', prob=.5),
    dict(type='ColorJitter', brightness=.4, contrast=.4),
    dict(type='PackInputs')]


def tiny_config(work_dir: Path, epochs: int = 2, **changes) -> Config:
    """Epochs of four batches of six, with validation after each epoch.

    Args:
        work_dir (Path): Folder of the run.
        epochs (int): Epochs of training. Defaults to 2.
        **changes: New values of settings, by their dotted keys.

    Returns:
        Config: The config.
    """
    loader = dict(
        batch_size=6, num_workers=0, persistent_workers=False,
        collate_fn=dict(type='default_collate'))
    cfg = Config(dict(
        default_scope='mmpretrain',
        work_dir=str(work_dir),
        custom_imports=dict(imports=['alignmix_mm', 'tiny_run']),
        data_preprocessor=dict(mean=[127.5] * 3, std=[64.] * 3, num_classes=3),
        model=dict(
            type='AlignMixClassifier', backbone=dict(type='TinyBackbone'),
            neck=dict(type='AlignMixNeck', embed=dict(
                type='LinearEmbedding', in_channels=128, out_channels=6)),
            head=dict(type='LinearClsHead', num_classes=3, in_channels=6,
                      loss=dict(type='CrossEntropyLoss', use_soft=True)),
            train_cfg=dict(augments=[dict(type='AlignMix'),
                                     dict(type='Mixup', alpha=1.)])),
        train_dataloader=dict(
            **loader, drop_last=True,
            sampler=dict(type='DefaultSampler', shuffle=True),
            dataset=dict(type='TinyImages', pipeline=PIPELINE)),
        val_dataloader=dict(
            **loader, sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(type='TinyImages', pipeline=PIPELINE[-1:],
                         test_mode=True)),
        val_cfg=dict(), val_evaluator=dict(type='Accuracy'),
        optim_wrapper=dict(optimizer=dict(
            type='SGD', lr=.05, momentum=.9, weight_decay=1e-4)),
        param_scheduler=[
            dict(type='LinearLR', start_factor=.1, by_epoch=False, end=5),
            dict(type='MultiStepLR', milestones=[1], gamma=.5)],
        train_cfg=dict(by_epoch=True, max_epochs=epochs, val_interval=1),
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=1),
            checkpoint=dict(type='CheckpointHook', interval=1)),
        env_cfg=dict(mp_cfg=dict(opencv_num_threads=0)),
        randomness=dict(seed=3)))
    # MMEngine removes `_delete_` from its argument
    cfg.merge_from_dict(copy.deepcopy(changes))
    return cfg


def by_iterations(cfg: Config, steps: int = 9,
                  sampler: str = 'InfiniteSampler', every: int = 1) -> None:
    """Change a config to train by steps, with regular checkpoints."""
    cfg.train_cfg = dict(by_epoch=False, max_iters=steps, val_interval=every)
    cfg.train_dataloader.sampler.type = sampler
    cfg.default_hooks.checkpoint.by_epoch = False
    cfg.default_hooks.checkpoint.interval = every
    cfg.log_processor = dict(by_epoch=False)
    cfg.param_scheduler = cfg.param_scheduler[:1]


def make_runner(cfg: Config, resume: str | Path | None = None,
                on_nan: str = 'stop') -> Runner:
    """Build a runner like `alignmix train` does."""
    make_safe(cfg, None if resume is None else str(resume), on_nan)
    cfg.experiment_name = f'{os.path.basename(cfg.work_dir)}_{time.time_ns()}'
    cfg.log_level = 'WARNING'
    return Runner.from_cfg(cfg)


def train(cfg: Config, resume: str | Path | None = None,
          on_nan: str = 'stop') -> Runner:
    """Train to the end."""
    runner = make_runner(cfg, resume, on_nan)
    runner.train()
    if runner.train_dataloader._iterator is not None:  # persistent workers
        runner.train_dataloader._iterator._shutdown_workers()
    return runner


def outcome(runner: Runner) -> dict[str, torch.Tensor]:
    """All tensors of a run: those of the model and the optimizer."""
    tensors = {**runner.model.state_dict()}
    for number, state in runner.optim_wrapper.optimizer.state_dict()[
            'state'].items():
        tensors.update({f'{number}.{name}': value
                        for name, value in state.items()
                        if isinstance(value, torch.Tensor)})
    return copy.deepcopy(tensors)


def differing(one: dict[str, torch.Tensor],
              other: dict[str, torch.Tensor]) -> list[str]:
    """Names of the tensors that differ in any bit."""
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]
