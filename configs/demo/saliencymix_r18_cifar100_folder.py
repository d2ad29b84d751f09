# baselines/saliencymix_r18_cifar100.py on CIFAR-100 stored as image folders.
_base_ = './baseline_r18_cifar100_folder.py'
model = dict(
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[
        dict(type='SaliencyMix', mean=_base_.data_preprocessor.mean,
             std=_base_.data_preprocessor.std)
    ], probs=[0.5]))
