# Baseline of Table 1(a), CIFAR-10, R-18.
_base_ = [
    'mmpretrain::_base_/datasets/cifar10_bs16.py',
    '../_base_/models/preact_r18_cifar.py',
    '../_base_/schedules/cifar_2000e.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=128, drop_last=True)
val_dataloader = dict(batch_size=128)
test_dataloader = dict(batch_size=128)
default_hooks = dict(
    checkpoint=dict(interval=50, max_keep_ckpts=2, save_best='accuracy/top1'))
