# ImageNet, 300 epochs by CutMix's authors: SGD with Nesterov momentum,
# learning rate 0.1, divided by 10 every 75 epochs, batch 256.
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4,
                   nesterov=True))
param_scheduler = dict(
    type='MultiStepLR', by_epoch=True, milestones=[75, 150, 225], gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=256)
