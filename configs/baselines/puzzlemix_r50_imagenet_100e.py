# PuzzleMix (Kim, Choo and Song, 2020) of Table 5, ImageNet, R-50, 100 epochs.
# (Its authors leave out the clean images in the last epochs.)
_base_ = './baseline_r50_imagenet_100e.py'
model = dict(
    type='AlignMixClassifier',
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[
        dict(type='PuzzleMix', beta=1.5, neigh_size=2, clean_lam=1.)
    ]))
