# Localization in minutes on two cores, from scratch: two animals with boxes
# (any data set in CUB's layout, $ALIGNMIX_WSOL), maps of 14x14 for images of
# 112 pixels, a narrow ResNet-18.
_base_ = ['../_base_/datasets/cub_wsol.py', '../_base_/default_runtime.py']
data_root = '{{$ALIGNMIX_WSOL:data/wsol_mini}}'
model = dict(
    type='CAMClassifier',
    cam='gt',
    backbone=dict(
        type='ResNet',
        depth=18,
        stem_channels=32,
        base_channels=32,
        strides=(1, 2, 1, 1)),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=2,
        in_channels=256,
        loss=dict(type='CrossEntropyLoss', use_soft=False)))
data_preprocessor = dict(num_classes=2)
classes = ('kangaroo', 'raccoon')
train_pipeline = [
    _base_.load,
    dict(type='RandomResizedCrop', scale=112, crop_ratio_range=(0.2, 1.0)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='ColorJitter', brightness=.4, contrast=.4, saturation=.4),
    dict(type='PackInputs'),
]
test_pipeline = [
    _base_.load,
    dict(type='Resize', scale=(112, 112), backend='pillow'),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    num_workers=2,
    dataset=dict(
        data_root=data_root,
        classes=classes,
        pipeline=train_pipeline))
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        data_root=data_root, classes=classes, pipeline=test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, eta_min=0.),
]
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=100)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(
    logger=dict(interval=12),
    checkpoint=dict(interval=100, max_keep_ckpts=1))
randomness = dict(seed=0)
