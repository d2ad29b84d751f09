# CutMix (Yun et al., 2019) of Table 4, VGG-GAP.
_base_ = './baseline_vgg16gap_cub_wsol.py'
model = dict(
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='CutMix', alpha=1.0)]))
