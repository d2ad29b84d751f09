# Manifold mixup (Verma et al., 2019) with the recipe of the other baselines:
# images or maps after stage 1 or 2, drawn uniformly, are mixed without
# alignment, with one weight per batch from Beta(2, 2).
_base_ = './baseline_r18_cifar10.py'
model = dict(
    type='AlignMixClassifier',
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='ManifoldMix', alpha=2.0)]))
