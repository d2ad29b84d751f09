# AlignMix of Table 1(a), CIFAR-10, R-18: A is 512x4x4, e has 512 dimensions.
_base_ = './baselines/baseline_r18_cifar10.py'
model = dict(
    type='AlignMixClassifier',
    neck=dict(
        _delete_=True,
        type='AlignMixNeck',
        embed=dict(
            type='LinearEmbedding', in_channels=512 * 4 * 4,
            out_channels=512)),
    head=dict(loss=dict(type='CrossEntropyLoss', use_soft=True)),
    train_cfg=dict(augments=[dict(type='AlignMix', alpha=2.0)]))
# Not in the paper: plain Flatten + Linear diverged at learning rate 0.1.
# LinearEmbedding scales its input against that. The warm-up is a precaution.
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=True, end=5,
         convert_to_iter_based=True),
    dict(type='MultiStepLR', by_epoch=True, milestones=[500, 1000, 1500],
         gamma=0.1),
]
