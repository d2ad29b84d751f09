# AlignMix/AE on CUB-200-2011, VGG-GAP; not in Table 4. Class activation maps
# need global average pooling, so e has its 1024 dimensions, and most of the
# decoder's parameters are in its first layer.
_base_ = './alignmix_vgg16gap_cub_wsol.py'
model = dict(
    type='AlignMixAEClassifier',
    decoder=dict(
        type='ResidualDecoder',
        in_channels=1024,
        widths=(512, 512, 256, 128, 64, 64),
        start_size=7),
    train_cfg=dict(augments=[
        dict(type='AlignMix', alpha=2.0,
             modes=['clean', 'input', 'embed', 'feat', 'feat_swap'])
    ]))
find_unused_parameters = True
