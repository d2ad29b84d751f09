# AlignMix/AE of Table 1(a), TinyImageNet, R-18.
_base_ = './alignmix_r18_tinyimagenet.py'
model = dict(
    type='AlignMixAEClassifier',
    decoder=dict(
        type='ResidualDecoder', in_channels=512,
        widths=(512, 512, 256, 128, 64)),
    train_cfg=dict(augments=[
        dict(type='AlignMix', alpha=2.0,
             modes=['clean', 'input', 'embed', 'feat', 'feat_swap'])
    ]))
find_unused_parameters = True
