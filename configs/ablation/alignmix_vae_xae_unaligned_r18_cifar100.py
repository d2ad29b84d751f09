# Table 8, CIFAR-100, R-18: AlignMix/VAE, layers {x, A, (mu, sigma)},
# without alignment.
_base_ = '../alignmix_r18_cifar100_vae.py'
model = dict(neck=dict(align=False))
