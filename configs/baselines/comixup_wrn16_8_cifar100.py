# Co-Mixup (Kim et al., 2021) of Table 1(a), CIFAR-100,
# WRN16-8.
_base_ = './comixup_r18_cifar100.py'
model = dict(backbone=dict(_delete_=True, type='WideResNet_CIFAR'))
