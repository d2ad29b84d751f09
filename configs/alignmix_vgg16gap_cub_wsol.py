# AlignMix of Table 4, CUB-200-2011, VGG-GAP. Class activation maps need global
# average pooling, and in front of it a converged alignment changes nothing
# (the mean of the aligned map is the mean of the map). So maps, 14x14, are
# mixed before the last convolution, which sees positions. The siblings *_paper
# and *_official mix before the pooling.
_base_ = './baselines/baseline_vgg16gap_cub_wsol.py'
model = dict(
    type='AlignMixClassifier',
    mix_at='features.16',
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='AlignMix', alpha=2.0)]))
