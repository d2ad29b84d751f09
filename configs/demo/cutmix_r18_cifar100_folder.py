# baselines/cutmix_r18_cifar100.py on CIFAR-100 stored as image folders.
_base_ = './baseline_r18_cifar100_folder.py'
model = dict(
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='CutMix', alpha=1.0)], probs=[0.5]))
