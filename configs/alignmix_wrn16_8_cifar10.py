# AlignMix of Table 1(a), CIFAR-10, WRN16-8. Its map is 512x8x8; the paper
# says that A is 4x4, so the map is pooled to that first.
_base_ = './alignmix_r18_cifar10.py'
model = dict(
    backbone=dict(_delete_=True, type='WideResNet_CIFAR'),
    neck=dict(align_size=4))
