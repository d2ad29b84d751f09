# ACoL (Zhang et al., 2018) after a ResNet-50. It is not in Table 4, but uses
# the same recipe. As in Choe et al. (2020): no average pooling before the
# branches, which start with He's initialization.
_base_ = './baseline_r50_cub_wsol.py'
model = dict(
    neck=None,
    head=dict(
        type='ACoLHead', init_cfg=dict(type='Kaiming', layer='Conv2d')))
