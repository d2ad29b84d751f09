# SaliencyMix (Uddin et al., 2021) of Table 1(a), CIFAR-10, R-18: half of the
# batches, as in its authors' code.
_base_ = './baseline_r18_cifar10.py'
model = dict(
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[
        dict(type='SaliencyMix', mean=_base_.data_preprocessor.mean,
             std=_base_.data_preprocessor.std)
    ], probs=[0.5]))
