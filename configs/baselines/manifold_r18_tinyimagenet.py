# Manifold mixup (Verma et al., 2019) of Table 1(a), TinyImageNet, R-18; alpha
# is that of Kim et al. (2020).
_base_ = './baseline_r18_tinyimagenet.py'
model = dict(
    type='AlignMixClassifier',
    mix_at=['layer1', 'layer2'],
    mixer=dict(align=False),
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[
        dict(type='AlignMix', alpha=0.2, modes=['input', 'feat'],
             probs=[1 / 3, 2 / 3], lam_per='batch')
    ]))
