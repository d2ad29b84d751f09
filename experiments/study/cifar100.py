# CIFAR-100 in folders, $ALIGNMIX_CIFAR100/{train,test}/<class>/<image>: 50 of
# the 500 training images of each class, and 25 of the 100 for the test. The
# paper's PreActResNet-18 with an eighth of its channels, after a stem of
# stride 2, so that a run takes minutes on a CPU; A is 4x4 as in the paper.
_base_ = ['../../configs/_base_/models/preact_r18_cifar.py',
          '../../configs/_base_/default_runtime.py']
custom_imports = dict(
    imports=['alignmix_mm', 'controls'], allow_failed_imports=False)
model = dict(
    backbone=dict(base_channels=8, stem_stride=2, last_stride=1),
    head=dict(num_classes=100, in_channels=64))
data_preprocessor = dict(
    num_classes=100,
    mean=[129.304, 124.070, 112.434],
    std=[68.170, 65.392, 70.418],
    to_rgb=True)  # OpenCV loads BGR
data_root = '{{$ALIGNMIX_CIFAR100:data/cifar100_folder}}'
train_dataloader = dict(
    batch_size=100,
    num_workers=0,
    persistent_workers=False,
    drop_last=True,
    dataset=dict(
        type='ClassFolders',
        data_root=data_root,
        data_prefix='train',
        part=(0, .1),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='RandomCrop', crop_size=32, padding=4),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(type='PackInputs'),
        ]),
    sampler=dict(type='DefaultSampler', shuffle=True))
test_dataloader = dict(
    batch_size=250,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        type='ClassFolders',
        data_root=data_root,
        data_prefix='test',
        part=(0, .25),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')]),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_dataloader = None
val_evaluator = None
val_cfg = None
test_evaluator = dict(type='Accuracy', topk=(1, ))
test_cfg = dict()
train_cfg = dict(by_epoch=True, max_epochs=20)
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4))
