# SaliencyMix (Uddin et al., 2021) of Table 1(b), ImageNet, R-50.
_base_ = './baseline_r50_imagenet.py'
model = dict(
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[
        dict(type='SaliencyMix', mean=_base_.data_preprocessor.mean,
             std=_base_.data_preprocessor.std)
    ]))
