# Manifold mixup (Verma et al., 2019) of Table 1(a), TinyImageNet, R-18; alpha
# is that of Kim et al. (2020).
_base_ = './baseline_r18_tinyimagenet.py'
model = dict(
    type='AlignMixClassifier',
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='ManifoldMix', alpha=0.2)]))
