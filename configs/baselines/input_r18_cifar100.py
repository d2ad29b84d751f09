# Input mixup (Zhang et al., 2018) of Table 1(a), CIFAR-100, R-18; alpha is 1
# as in its paper.
_base_ = './baseline_r18_cifar100.py'
model = dict(
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=1.0)]))
