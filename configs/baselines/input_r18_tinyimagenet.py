# Input mixup (Zhang et al., 2018) of Table 1(a), TinyImageNet, R-18; alpha is
# that of Kim et al. (2020).
_base_ = './baseline_r18_tinyimagenet.py'
model = dict(
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.2)]))
