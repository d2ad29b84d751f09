# Table 8, CIFAR-100, R-18: AlignMix/AE, layers {x, A of 8x8, e},
# without alignment.
_base_ = '../alignmix_r18_cifar100_ae.py'
model = dict(
    backbone=dict(last_stride=1),  # A is 512x8x8
    neck=dict(align=False, embed=dict(in_channels=512 * 8 * 8)))
