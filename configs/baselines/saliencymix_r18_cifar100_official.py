# SaliencyMix, CIFAR-100, R-18, with the settings of its authors' code: their
# network and recipe, and saliency of normalized images that are read as if
# they were 8-bit pixels.
_base_ = './saliencymix_r18_cifar100.py'
model = dict(
    backbone=dict(
        _delete_=True, type='ResNet_CIFAR', depth=18, num_stages=4,
        out_indices=(3, ), style='pytorch'),
    train_cfg=dict(augments=[
        dict(type='SaliencyMix', pixel='normalized',
             mean=_base_.data_preprocessor.mean,
             std=_base_.data_preprocessor.std)
    ]))
optim_wrapper = dict(optimizer=dict(weight_decay=5e-4, nesterov=True))
param_scheduler = dict(milestones=[60, 120, 160], gamma=0.2)
train_cfg = dict(max_epochs=200)
