# R-50 on ImageNet with the recipe of CutMix's authors, 4 GPUs x 64 images. The
# baselines of Table 1(b) are their published results, so they come from this
# recipe, not from that of Appendix B.
_base_ = [
    'mmpretrain::_base_/models/resnet50.py',
    '../_base_/datasets/imagenet_jitter.py',
    '../_base_/schedules/imagenet_300e_cutmix.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(drop_last=True)
default_hooks = dict(
    checkpoint=dict(interval=5, max_keep_ckpts=3, save_best='accuracy/top1'))
