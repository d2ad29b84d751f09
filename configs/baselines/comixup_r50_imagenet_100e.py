# Co-Mixup (Kim et al., 2021) of Table 5, ImageNet, R-50, 100 epochs. (Its
# authors search for salient windows in steps of 8 pixels.)
_base_ = './baseline_r50_imagenet_100e.py'
model = dict(
    type='AlignMixClassifier',
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[
        dict(type='CoMixup', alpha=1.0, part_size=16, niter=3)
    ]))
