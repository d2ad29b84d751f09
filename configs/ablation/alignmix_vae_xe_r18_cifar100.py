# Table 8, CIFAR-100, R-18: AlignMix/VAE, layers {x, (mu, sigma)}.
_base_ = '../alignmix_r18_cifar100_vae.py'
model = dict(
    train_cfg=dict(augments=[
        dict(type='AlignMix', alpha=2.0,
             modes=['clean', 'input', 'embed'])
    ]))
