# PuzzleMix (Kim, Choo and Song, 2020) of Table 1(a), CIFAR-100,
# WRN16-8.
_base_ = './puzzlemix_r18_cifar100.py'
model = dict(backbone=dict(_delete_=True, type='WideResNet_CIFAR'))
