# R-50 on ImageNet as in Appendix B, without mixing: 300 epochs, 4 GPUs x 100
# images, learning rate 0.1 for the classifier and 0.01 for all other layers,
# divided by 10 at epochs 100 and 200.
_base_ = [
    'mmpretrain::_base_/models/resnet50.py',
    'mmpretrain::_base_/datasets/imagenet_bs64.py',
    'mmpretrain::_base_/schedules/imagenet_bs256.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=100, drop_last=True)
val_dataloader = dict(batch_size=100)
test_dataloader = dict(batch_size=100)
optim_wrapper = dict(
    optimizer=dict(lr=0.01),
    paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=10.)}))
param_scheduler = dict(milestones=[100, 200])
train_cfg = dict(max_epochs=300)
auto_scale_lr = dict(base_batch_size=400)
default_hooks = dict(
    checkpoint=dict(interval=5, max_keep_ckpts=3, save_best='accuracy/top1'))
