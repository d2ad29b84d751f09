# AlignMix/AE of Table 1(b), ImageNet, R-50. The paper does not describe the
# decoder. With e of 128 dimensions and images of 224 pixels, ours has 10.8M
# parameters, 38.6M in total; the paper has 35M.
_base_ = './alignmix_r50_imagenet.py'
model = dict(
    type='AlignMixAEClassifier',
    decoder=dict(
        type='ResidualDecoder',
        in_channels=128,
        widths=(512, 512, 256, 128, 64, 64),
        start_size=7),
    train_cfg=dict(augments=[
        dict(type='AlignMix', alpha=2.0,
             modes=['clean', 'input', 'embed', 'feat', 'feat_swap'])
    ]))
find_unused_parameters = True
