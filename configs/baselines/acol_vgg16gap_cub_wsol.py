# ACoL (Zhang et al., 2018) of Table 4, with the recipe of Appendix B. Its
# VGG-16 has overlapping poolings and no conv6, and both branches are new. Maps
# are 14x14 as in Choe et al. (2020). The original's are 28x28
# (large_map=True), with a threshold of 0.6.
_base_ = './baseline_vgg16gap_cub_wsol.py'
model = dict(
    backbone=dict(type='VGGACoL'),
    neck=None,
    head=dict(type='ACoLHead', in_channels=512))
