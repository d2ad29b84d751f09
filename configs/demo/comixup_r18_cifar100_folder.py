# baselines/comixup_r18_cifar100.py on CIFAR-100 stored as image folders.
_base_ = './baseline_r18_cifar100_folder.py'
model = dict(
    type='AlignMixClassifier',
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='CoMixup')]))
