# CAM of Table 4, R-50: no mixing. Stage 4 keeps the size of its input, so maps
# are 14x14 for images of 224 pixels (the paper has 1 and 2 in the wrong
# order). Learning rate 0.01 for the classifier, 0.001 for all other layers.
_base_ = [
    '../_base_/datasets/cub_wsol.py',
    '../_base_/schedules/cub_600e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='CAMClassifier',
    cam='gt',
    backbone=dict(
        type='ResNet',
        depth=50,
        strides=(1, 2, 2, 1),
        init_cfg=dict(
            type='Pretrained', checkpoint='torchvision://resnet50')),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=200,
        in_channels=2048,
        loss=dict(type='CrossEntropyLoss', use_soft=False)))
default_hooks = dict(checkpoint=dict(interval=10, max_keep_ckpts=2))
