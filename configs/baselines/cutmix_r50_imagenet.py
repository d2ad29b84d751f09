# CutMix (Yun et al., 2019) of Table 1(b), ImageNet, R-50.
_base_ = './baseline_r50_imagenet.py'
model = dict(
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='CutMix', alpha=1.0)]))
