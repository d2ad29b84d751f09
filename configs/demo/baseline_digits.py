# 100 labelled handwritten digits (they ship with scikit-learn), 32x32, and a
# narrow ResNet-18 whose map is 128x4x4. About half a minute on a CPU.
_base_ = ['../_base_/default_runtime.py']
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNet_CIFAR',
        depth=18,
        stem_channels=16,
        base_channels=16,
        strides=(2, 2, 2, 1)),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=128,
        loss=dict(type='CrossEntropyLoss')))
data_preprocessor = dict(num_classes=10, mean=[75.] * 3, std=[95.] * 3)
train_dataloader = dict(
    batch_size=50,
    num_workers=0,
    persistent_workers=False,  # or MMPretrain's own tools set it
    drop_last=True,
    dataset=dict(
        type='Digits',
        split='train',
        per_class=10,
        pipeline=[
            dict(type='RandomCrop', crop_size=32, padding=2),
            dict(type='PackInputs'),
        ]),
    sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = dict(
    batch_size=100,
    num_workers=0,
    persistent_workers=False,  # or MMPretrain's own tools set it
    dataset=dict(
        type='Digits', split='test', pipeline=[dict(type='PackInputs')]),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = dict(type='Accuracy', topk=(1, ))
test_dataloader = val_dataloader
test_evaluator = val_evaluator
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=30),
    dict(type='CosineAnnealingLR', by_epoch=False, eta_min=0.),
]
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=100)
val_cfg = dict()
test_cfg = dict()
default_hooks = dict(
    logger=dict(interval=50), checkpoint=dict(interval=100, max_keep_ckpts=1))
randomness = dict(seed=0)
