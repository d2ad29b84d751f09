# Appendix B, TinyImageNet: SGD, 1200 epochs, learning rate 0.1, divided by 10
# at epochs 600 and 900, "batch size of 128 on 2 GPUs", read as 128 on each.
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = dict(
    type='MultiStepLR', by_epoch=True, milestones=[600, 900], gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=1200, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=256)
