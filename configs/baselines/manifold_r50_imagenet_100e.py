# Manifold mixup (Verma et al., 2019) of Table 5, ImageNet, R-50, 100 epochs.
_base_ = './baseline_r50_imagenet_100e.py'
model = dict(
    type='AlignMixClassifier',
    mix_at=['layer1', 'layer2'],
    mixer=dict(align=False),
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[
        dict(type='AlignMix', alpha=1.0, modes=['input', 'feat'],
             probs=[1 / 3, 2 / 3], lam_per='batch')
    ]))
