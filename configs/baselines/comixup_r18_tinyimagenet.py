# Co-Mixup (Kim et al., 2021) of Table 1(a), TinyImageNet, R-18: its options,
# with the recipe of the other baselines.
_base_ = './baseline_r18_tinyimagenet.py'
model = dict(
    type='AlignMixClassifier',
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='CoMixup')]))
