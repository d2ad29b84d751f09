# AlignMix/AE on CIFAR-10 stored as image folders, small enough for two cores:
# half of the width, a few epochs, and more clean batches than the paper's
# fifth, because reconstruction learns slowly.
_base_ = './alignmix_r18_cifar10_folder.py'
model = dict(
    type='AlignMixAEClassifier',
    backbone=dict(base_channels=32),
    neck=dict(embed=dict(in_channels=256 * 4 * 4, out_channels=512)),
    decoder=dict(
        type='ResidualDecoder', in_channels=512, widths=(256, 128, 64, 32)),
    train_cfg=dict(augments=[
        dict(type='AlignMix', alpha=2.0,
             modes=['clean', 'input', 'embed', 'feat', 'feat_swap'],
             probs=[0.6, 0.1, 0.1, 0.1, 0.1])
    ]))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, eta_min=0.),
]
train_cfg = dict(max_epochs=30, val_interval=30)
default_hooks = dict(checkpoint=dict(interval=30), logger=dict(interval=20))
find_unused_parameters = True
