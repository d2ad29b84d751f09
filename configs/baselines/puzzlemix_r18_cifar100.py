# PuzzleMix (Kim, Choo and Song, 2020) of Table 1(a), CIFAR-100, R-18: its
# options, with the recipe of the other baselines.
_base_ = './baseline_r18_cifar100.py'
model = dict(
    type='AlignMixClassifier',
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='PuzzleMix', t_size=4)]))
