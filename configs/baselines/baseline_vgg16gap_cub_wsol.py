# CAM of Table 4, VGG-GAP: no mixing. Learning rate 0.001 for the classifier
# and the new convolution (the paper mentions only the classifier; Choe et al.
# count the convolution as part of it), 0.0001 for all other layers.
_base_ = [
    '../_base_/datasets/cub_wsol.py',
    '../_base_/schedules/cub_600e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    type='CAMClassifier',
    cam='gt',
    backbone=dict(
        type='VGGGAP',
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://vgg16')),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=200,
        in_channels=1024,
        loss=dict(type='CrossEntropyLoss', use_soft=False)))
optim_wrapper = dict(
    optimizer=dict(lr=0.0001),
    paramwise_cfg=dict(custom_keys={'conv6': dict(lr_mult=10.)}))
default_hooks = dict(checkpoint=dict(interval=10, max_keep_ckpts=2))
