# AlignMix of Table 4, CUB-200-2011, R-50. Class activation maps need global
# average pooling, and directly before it a converged alignment has no effect
# (the mean of the aligned map is the mean of the map). So the 14x14 maps are
# mixed before the last block, which sees positions. The variants *_paper and
# *_official mix before the pooling.
_base_ = './baselines/baseline_r50_cub_wsol.py'
model = dict(
    type='AlignMixClassifier',
    mix_at='layer4.1',
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='AlignMix', alpha=2.0)]))
