# PuzzleMix (Kim, Choo and Song, 2020) of Table 1(a), TinyImageNet, R-18: its
# options, with the recipe of the other baselines.
_base_ = './baseline_r18_tinyimagenet.py'
model = dict(
    type='AlignMixClassifier',
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[
        dict(type='PuzzleMix', clean_lam=1., adv_p=0.15)
    ]))
