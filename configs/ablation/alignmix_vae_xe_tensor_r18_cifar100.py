# Table 8, CIFAR-100, R-18: AlignMix/VAE, layers {x, (M, Sigma)}, both
# 128x2x2.
_base_ = './alignmix_vae_xe_r18_cifar100.py'
model = dict(
    neck=dict(
        embed=dict(
            embed=dict(
                _delete_=True, type='ConvEmbedding', in_channels=512,
                out_channels=128))))
