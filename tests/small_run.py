"""A training that draws random numbers in every possible place."""
import copy
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmpretrain.registry import TRANSFORMS

CLASSES = ('one', 'three', 'two')  # as folders are sorted


def write_images(folder: Path, per_class: int = 8) -> Path:
    """Write noise images into class folders."""
    numbers = np.random.default_rng(0)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for n in range(per_class):
            image = numbers.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / name / f'{n}.png'), image)
    return folder


def small_config(images: Path, work_dir: Path, epochs: int = 4,
                 num_workers: int = 0, seed: int | None = 3,
                 **changes) -> Config:
    """AlignMix/VAE and CutMix on augmented images.

    Transforms, workers, the order of the data, batch augmentations, plans and
    the embedding all draw random numbers.

    Args:
        images (Path): Folder of images.
        work_dir (Path): Folder of the run.
        epochs (int): Epochs of training. Defaults to 4.
        num_workers (int): Processes that load images. Defaults to 0.
        seed (int, optional): Random seed. Defaults to 3.
        **changes: New values of settings, by their dotted keys.

    Returns:
        Config: The config.
    """
    cfg = Config(dict(
        default_scope='mmpretrain',
        custom_imports=dict(imports=['alignmix_mm']),
        work_dir=str(work_dir),
        find_unused_parameters=True,
        data_preprocessor=dict(
            mean=[127.5] * 3, std=[64.] * 3, to_rgb=True, num_classes=3),
        model=dict(
            type='AlignMixAEClassifier',
            backbone=dict(type='PreActResNet_CIFAR', depth=18,
                          base_channels=4, stem_stride=2, last_stride=1),
            neck=dict(type='AlignMixNeck', embed=dict(
                type='GaussianEmbedding', embed=dict(
                    type='ConvEmbedding', in_channels=32, out_channels=6))),
            head=dict(type='LinearClsHead', num_classes=3, in_channels=6,
                      loss=dict(type='CrossEntropyLoss', use_soft=True)),
            decoder=dict(type='ResidualDecoder', in_channels=6,
                         widths=(8, 8, 8)),
            train_cfg=dict(augments=[
                dict(type='AlignMix', modes=['clean', 'input', 'embed',
                                             'feat', 'feat_swap']),
                dict(type='CutMix', alpha=1.0)], probs=[.75, .25])),
        train_dataloader=dict(
            batch_size=6, num_workers=num_workers, drop_last=True,
            persistent_workers=num_workers > 0,
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='default_collate'),
            dataset=dict(
                type='CustomDataset', data_root=str(images), pipeline=[
                    dict(type='LoadImageFromFile'),
                    dict(type='RandomCrop', crop_size=16, padding=2),
                    dict(type='RandomFlip', prob=.5),
                    dict(type='ColorJitter', brightness=.4, contrast=.4),
                    dict(type='RandomErasing', erase_prob=.5),
                    dict(type='PackInputs')])),
        optim_wrapper=dict(optimizer=dict(
            type='SGD', lr=.02, momentum=.9, weight_decay=1e-4)),
        param_scheduler=[
            dict(type='LinearLR', start_factor=.1, by_epoch=False, end=5),
            dict(type='MultiStepLR', milestones=[2], gamma=.5)],
        train_cfg=dict(by_epoch=True, max_epochs=epochs, val_interval=99),
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=1),
            checkpoint=dict(type='CheckpointHook', interval=1,
                            max_keep_ckpts=2)),
        randomness=dict(seed=seed)))
    # MMEngine removes `_delete_` from its argument
    cfg.merge_from_dict(copy.deepcopy(changes))
    return cfg


@TRANSFORMS.register_module()
class Poison:
    """Make one image NaN."""

    def __init__(self, index):
        self.index = index

    def __call__(self, data):
        data['img'] = data['img'].astype('float32')
        if data['sample_idx'] == self.index:
            data['img'][0, 0, 0] = float('nan')
        return data


@HOOKS.register_module()
class Witness(Hook):
    """Record what a rank drew, and its parameters after each step."""

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.plans: list[dict] = []
        self.digests: list[str] = []
        self.buffers: list[str] = []
        self.images: list[list[str]] = []

    def before_train(self, runner) -> None:
        """Record the draws of AlignMix."""
        model = runner.model
        self.model = model.module if is_model_wrapper(model) else model
        augment = self.model.data_preprocessor.batch_augments.augments[0]
        draw = augment.draw

        def listen(*args):
            plan = draw(*args)
            pairs = {} if plan.labels is None else dict(  # nothing is mixed
                lam=plan.labels.lam.tolist(), perm=plan.labels.perm.tolist())
            self.plans.append(dict(step=runner.iter, mode=plan.tag,
                                   place=plan.place, **pairs))
            return plan

        augment.draw = listen

    def after_train_iter(self, runner, batch_idx, data_batch=None,
                         outputs=None) -> None:
        """Keep digests of the parameters and of BatchNorm's statistics."""
        self.digests.append(_digest(self.model.parameters()))
        self.buffers.append(_digest(self.model.backbone.buffers()))
        self.images.append([sample.img_path
                            for sample in data_batch['data_samples']])
        assert all(torch.isfinite(p).all() for p in self.model.parameters())

    def after_train(self, runner) -> None:
        """Write the record to a file."""
        path = Path(runner.work_dir) / f'rank{get_rank()}.json'
        path.write_text(json.dumps(dict(
            plans=self.plans, digests=self.digests, buffers=self.buffers,
            images=self.images)))


def _digest(tensors) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().numpy().tobytes())
    return digest.hexdigest()
