# SaliencyMix (Uddin et al., 2021) of Table 1(a), TinyImageNet, R-18.
_base_ = './baseline_r18_tinyimagenet.py'
model = dict(
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[
        dict(type='SaliencyMix', mean=_base_.data_preprocessor.mean,
             std=_base_.data_preprocessor.std)
    ], probs=[0.5]))
