# PuzzleMix (Kim, Choo and Song, 2020) of Table 1(b), ImageNet, R-50.
# Blocks of 14 pixels divide into cells of 2.
_base_ = './baseline_r50_imagenet.py'
model = dict(
    type='AlignMixClassifier',
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='PuzzleMix', neigh_size=2)]))
