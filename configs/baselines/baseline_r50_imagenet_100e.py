# Baseline of Table 5, ImageNet, R-50, 100 epochs on 4 GPUs x 112 images: crops
# of 128 pixels for 15 epochs, then of 224.
_base_ = [
    'mmpretrain::_base_/models/resnet50.py',
    'mmpretrain::_base_/datasets/imagenet_bs64.py',
    '../_base_/schedules/imagenet_100e.py',
    '../_base_/default_runtime.py',
]
load = dict(type='LoadImageFromFile')
rest = [
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
train_pipeline = [
    load,
    dict(type='RandomResizedCrop', scale=128, crop_ratio_range=(0.08, 1.0)),
    *rest,
]
large_pipeline = [
    load,
    dict(type='RandomResizedCrop', scale=224, crop_ratio_range=(0.087, 1.0)),
    *rest,
]
train_dataloader = dict(
    batch_size=112, drop_last=True, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=112)
test_dataloader = dict(batch_size=112)
custom_hooks = [
    dict(type='SwitchRecipeHook',
         schedule=[dict(action_epoch=16, train_pipeline=large_pipeline)])
]
default_hooks = dict(
    checkpoint=dict(interval=5, max_keep_ckpts=3, save_best='accuracy/top1'))
