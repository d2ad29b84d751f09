# The demo's network trained with AlignMix: modes input, embed, feat and
# feat_swap, f = Flatten + Linear.
_base_ = './baseline_digits.py'
model = dict(
    type='AlignMixClassifier',
    neck=dict(
        _delete_=True,
        type='AlignMixNeck',
        embed=dict(
            type='LinearEmbedding', in_channels=128 * 4 * 4,
            out_channels=128)),
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='AlignMix', alpha=2.0)]))
