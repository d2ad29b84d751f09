# ImageNet with the augmentation of CutMix's authors: color jitter and PCA
# noise in addition to crops and flips. Eigenvalues are those for [0, 1], times
# 255; eigenvectors have rows for blue, green and red.
_base_ = 'mmpretrain::_base_/datasets/imagenet_bs64.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=224),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4),
    dict(
        type='FloatLighting',
        eigval=[55.4625, 4.7940, 1.1475],
        eigvec=[[-0.5836, -0.6948, 0.4203], [-0.5808, -0.0045, -0.8140],
                [-0.5675, 0.7192, 0.4009]],
        alphastd=0.1),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
