# AlignMix/AE of Table 1(a), CIFAR-10, WRN16-8.
_base_ = './alignmix_r18_cifar10_ae.py'
model = dict(
    backbone=dict(_delete_=True, type='WideResNet_CIFAR'),
    neck=dict(align_size=4))
