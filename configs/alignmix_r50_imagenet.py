# AlignMix of Table 1(b), ImageNet, R-50. The paper gives neither the size of A
# nor that of e for this network; 4x4 positions and 128 dimensions match its
# 28M parameters (27.8M).
_base_ = './baselines/baseline_r50_imagenet.py'
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
