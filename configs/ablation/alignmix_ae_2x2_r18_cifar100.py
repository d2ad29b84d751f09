# Table 8, CIFAR-100, R-18: AlignMix/AE, layers {x, A of 2x2, e}.
_base_ = '../alignmix_r18_cifar100_ae.py'
model = dict(neck=dict(align_size=2, embed=dict(in_channels=512 * 2 * 2)))
