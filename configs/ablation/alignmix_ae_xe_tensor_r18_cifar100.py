# Table 8, CIFAR-100, R-18: AlignMix/AE, layers {x, E}; E is 128x2x2.
_base_ = './alignmix_ae_xe_r18_cifar100.py'
model = dict(
    neck=dict(
        embed=dict(
            _delete_=True, type='ConvEmbedding', in_channels=512,
            out_channels=128)))
