# Input mixup (Zhang et al., 2018) of Table 5, ImageNet, R-50, 100 epochs.
_base_ = './baseline_r50_imagenet_100e.py'
model = dict(
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=1.0)]))
