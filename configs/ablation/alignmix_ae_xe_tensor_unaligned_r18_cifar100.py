# Table 8, CIFAR-100, R-18: AlignMix/AE, layers {x, E},
# without alignment.
_base_ = './alignmix_ae_xe_tensor_r18_cifar100.py'
model = dict(neck=dict(align=False))
