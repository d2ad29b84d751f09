"""Small networks that mix inside the backbone, and batches with a plan."""
import copy

import torch
from mmpretrain.registry import MODELS

import alignmix_mm  # noqa: F401
from alignmix_mm.mixing import MixBatch, alignmix_plan

LAM = torch.tensor([0.15, 0.4, 0.75])
PERM = torch.tensor([2, 0, 1])  # not its own inverse
VIT = dict(type='VisionTransformer', img_size=32, patch_size=8, arch=dict(
    embed_dims=24, num_layers=4, num_heads=2, feedforward_channels=48))
DEIT = {**VIT, 'type': 'DistilledVisionTransformer'}
SWIN = dict(type='SwinTransformer', img_size=64, window_size=2, patch_size=2,
            drop_path_rate=0., arch=dict(
                embed_dims=12, depths=[1, 1, 1, 2], num_heads=[1, 2, 2, 2]))
R18 = dict(type='ResNet', depth=18, stem_channels=8, base_channels=8,
           zero_init_residual=False)
PREACT = dict(type='PreActResNet_CIFAR', base_channels=4)


def build(backbone, mix_at, neck=None, type='AlignMixClassifier', **options):
    head = dict(type='LinearClsHead', num_classes=10, in_channels=64)
    augments = [dict(type='AlignMix', modes=('feat', 'feat_swap'))]
    if type == 'AlignMixClassifier':
        options['mix_at'] = mix_at
    return MODELS.build(dict(
        type=type, backbone=copy.deepcopy(backbone), neck=neck,
        data_preprocessor=dict(num_classes=10),
        **{'train_cfg': dict(augments=augments), 'head': head, **options}))


def images(size=32):
    return torch.randn(3, 3, size, size)


def batch(x, mode='feat'):
    return MixBatch(x, alignmix_plan(mode, LAM, PERM))


def tensor(feats):
    return feats if isinstance(feats, torch.Tensor) else tensor(feats[-1])
