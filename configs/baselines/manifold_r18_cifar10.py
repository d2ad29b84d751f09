# Manifold mixup (Verma et al., 2019) on the recipe of the other baselines:
# images, or maps after stage 1 or stage 2, each as likely, mixed without
# alignment with one weight for the batch, Beta(2, 2).
_base_ = './baseline_r18_cifar10.py'
model = dict(
    type='AlignMixClassifier',
    mix_at=['layer1', 'layer2'],
    mixer=dict(align=False),
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[
        dict(type='AlignMix', alpha=2.0, modes=['input', 'feat'],
             probs=[1 / 3, 2 / 3], lam_per='batch')
    ]))
