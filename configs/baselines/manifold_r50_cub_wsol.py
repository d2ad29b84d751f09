# Manifold mixup (Verma et al., 2019) on CUB-200-2011, R-50, with the recipe of
# Table 4. It is not in that table.
_base_ = './baseline_r50_cub_wsol.py'
model = dict(
    type='AlignMixClassifier',
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='ManifoldMix', alpha=1.0)]))
