# Manifold mixup (Verma et al., 2019) of Table 5, ImageNet, R-50, 100 epochs.
_base_ = './baseline_r50_imagenet_100e.py'
model = dict(
    type='AlignMixClassifier',
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='ManifoldMix', alpha=1.0)]))
