# Appendix B, CUB: SGD, 600 epochs, learning rate divided by 10 every 150,
# batch 16; the new layer (the classifier) learns 10 times as fast as the
# pretrained ones. Evaluated every 10 epochs, but boxes are never used to
# choose an epoch: the last one counts.
_base_ = 'mmpretrain::_base_/schedules/cub_bs64.py'
optim_wrapper = dict(
    optimizer=dict(lr=0.001, weight_decay=1e-4, nesterov=False),
    paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=10.)}))
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=True, milestones=[150, 300, 450],
         gamma=0.1)
]
train_cfg = dict(max_epochs=600, val_interval=10)
auto_scale_lr = dict(base_batch_size=16)
