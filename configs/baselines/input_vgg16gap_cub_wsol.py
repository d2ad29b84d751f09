# Input mixup (Zhang et al., 2018) of Table 4, VGG-GAP. Neither the paper nor
# Yun et al. (2019), whose results it quotes, gives alpha; 1 is the value of
# CutMix.
_base_ = './baseline_vgg16gap_cub_wsol.py'
model = dict(
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=1.0)]))
