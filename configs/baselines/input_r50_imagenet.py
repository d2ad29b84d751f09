# Input mixup (Zhang et al., 2018) of Table 1(b), ImageNet, R-50.
_base_ = './baseline_r50_imagenet.py'
model = dict(
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=1.0)]))
