# Table 8, CIFAR-100, R-18: AlignMix/AE, layers {x, A},
# without alignment.
_base_ = '../alignmix_r18_cifar100_ae.py'
model = dict(
    neck=dict(align=False),
    train_cfg=dict(augments=[
        dict(type='AlignMix', alpha=2.0,
             modes=['clean', 'input', 'feat', 'feat_swap'])
    ]))
