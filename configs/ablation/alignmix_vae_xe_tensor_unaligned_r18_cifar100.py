# Table 8, CIFAR-100, R-18: AlignMix/VAE, layers {x, (M, Sigma)},
# without alignment.
_base_ = './alignmix_vae_xe_tensor_r18_cifar100.py'
model = dict(neck=dict(align=False))
