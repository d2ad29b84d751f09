# Baseline of Table 1(a), TinyImageNet, R-18. The first convolution has stride
# 2, as in the protocol of Kim et al. (2020), so A is 512x4x4.
_base_ = [
    '../_base_/datasets/tiny_imagenet_64px.py',
    '../_base_/models/preact_r18_cifar.py',
    '../_base_/schedules/tiny_imagenet_1200e.py',
    '../_base_/default_runtime.py',
]
model = dict(backbone=dict(stem_stride=2), head=dict(num_classes=200))
default_hooks = dict(
    checkpoint=dict(interval=50, max_keep_ckpts=2, save_best='accuracy/top1'))
