"""A small classifier of images in folders, with its checkpoint."""
import copy
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS

import alignmix_mm  # noqa: F401

CLASSES = ('one', 'three', 'two')  # as folders are sorted
PIPELINE = [dict(type='LoadImageFromFile'),
            dict(type='ResizeEdge', scale=28, edge='short'),
            dict(type='CenterCrop', crop_size=24), dict(type='PackInputs')]


def config(images: Path, **changes) -> Config:
    """AlignMix on three classes; ``changes`` are named by dotted keys."""
    cfg = Config(dict(
        default_scope='mmpretrain',
        data_preprocessor=dict(mean=[110., 120., 130.], std=[60., 64., 70.],
                               to_rgb=True, num_classes=3),
        model=dict(
            type='AlignMixClassifier',
            backbone=dict(type='PreActResNet_CIFAR', depth=18,
                          base_channels=4, stem_stride=2, last_stride=1),
            neck=dict(type='AlignMixNeck', embed=dict(
                type='LinearEmbedding', in_channels=32 * 3 * 3,
                out_channels=8)),
            head=dict(type='LinearClsHead', num_classes=3, in_channels=8,
                      loss=dict(type='CrossEntropyLoss', use_soft=True)),
            train_cfg=dict(augments=[dict(type='AlignMix')])),
        test_dataloader=dict(
            batch_size=5, num_workers=0, sampler=dict(
                type='DefaultSampler', shuffle=False),
            dataset=dict(type='CustomDataset', data_root=str(images),
                         pipeline=PIPELINE)),
        test_evaluator=[dict(type='Accuracy', topk=(1, ))],
        test_cfg=dict()))
    cfg.merge_from_dict(copy.deepcopy(changes))
    return cfg


def network(cfg: Config, spread: float = 8.):
    """A network with random weights whose predictions differ by image."""
    torch.manual_seed(0)
    settings = copy.deepcopy(cfg.model.to_dict())
    settings['data_preprocessor'] = cfg.data_preprocessor.to_dict()
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(settings)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.fill_(.5)
    for weight in model.head.parameters():
        weight.data *= spread
    return model.eval()


def save(path: Path, of: Config, model=None, **meta) -> Path:
    """Write a checkpoint in the form of MMEngine."""
    model = network(of) if model is None else model
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(dict(
        meta={**dict(cfg=of.pretty_text, epoch=1,
                     dataset_meta=dict(classes=CLASSES)), **meta},
        state_dict=model.state_dict(), optimizer=dict(state={}),
        message_hub=dict()), path)
    return path
