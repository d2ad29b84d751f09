# AlignMix of Table 1(a), TinyImageNet, R-18: A is 512x4x4, e has 512
# dimensions. The warm-up is not in the paper; see alignmix_r18_cifar10.py.
_base_ = './baselines/baseline_r18_tinyimagenet.py'
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
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=True, end=5,
         convert_to_iter_based=True),
    dict(type='MultiStepLR', by_epoch=True, milestones=[600, 900], gamma=0.1),
]
