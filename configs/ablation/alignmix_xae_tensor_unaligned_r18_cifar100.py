# Table 8, CIFAR-100, R-18: AlignMix, layers {x, A, E},
# without alignment.
_base_ = './alignmix_xae_tensor_r18_cifar100.py'
model = dict(neck=dict(align=False))
