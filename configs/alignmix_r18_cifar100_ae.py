# AlignMix/AE of Table 1(a), CIFAR-100, R-18: a decoder and a fifth mode, which
# reconstructs clean images from e (Algorithm 1). No step gives every parameter
# a gradient.
_base_ = './alignmix_r18_cifar100.py'
model = dict(
    type='AlignMixAEClassifier',
    decoder=dict(type='ResidualDecoder', in_channels=512),
    train_cfg=dict(augments=[
        dict(type='AlignMix', alpha=2.0,
             modes=['clean', 'input', 'embed', 'feat', 'feat_swap'])
    ]))
find_unused_parameters = True
