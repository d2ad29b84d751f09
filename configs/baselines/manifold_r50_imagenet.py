# Manifold mixup (Verma et al., 2019) of Table 1(b), ImageNet, R-50.
_base_ = './baseline_r50_imagenet.py'
model = dict(
    type='AlignMixClassifier',
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='ManifoldMix', alpha=1.0)]))
