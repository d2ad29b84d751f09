# Table 8, CIFAR-100, R-18: AlignMix/VAE, layers {x, A},
# without alignment.
_base_ = './alignmix_vae_xa_r18_cifar100.py'
model = dict(neck=dict(align=False))
