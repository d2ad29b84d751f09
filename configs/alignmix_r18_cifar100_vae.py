# AlignMix/VAE of Table 8, CIFAR-100, R-18, layers {x, A, (mu, sigma)}: two
# vectors of 512 dimensions instead of e.
_base_ = './alignmix_r18_cifar100_ae.py'
model = dict(
    neck=dict(
        embed=dict(
            _delete_=True,
            type='GaussianEmbedding',
            embed=dict(
                type='LinearEmbedding', in_channels=512 * 4 * 4,
                out_channels=512))))
