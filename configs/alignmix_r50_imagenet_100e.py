# AlignMix of Table 5, ImageNet, R-50, 100 epochs. A and e as in
# alignmix_r50_imagenet.py. Not trained by us. With this f, learning rates as
# high as in the first epochs may need a warm-up.
_base_ = './baselines/baseline_r50_imagenet_100e.py'
model = dict(
    type='AlignMixClassifier',
    neck=dict(
        _delete_=True,
        type='AlignMixNeck',
        align_size=4,
        embed=dict(
            type='LinearEmbedding', in_channels=2048 * 4 * 4,
            out_channels=128)),
    head=dict(
        in_channels=128, loss=dict(type='CrossEntropyLoss', use_soft=True)),
    train_cfg=dict(augments=[dict(type='AlignMix', alpha=2.0)]))
