# ImageNet, 100 epochs as in Kim et al. (2021), Table 5: SGD, learning rates
# that are linear between knots, no weight decay for normalization layers.
# Their first phase has batches of 1024 images, later phases 448; here the
# batch is 448 throughout, and the rates of the first phase are scaled by 448 /
# 1024. They train in half precision (--amp).
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=1.0, momentum=0.9, weight_decay=1e-4),
    paramwise_cfg=dict(norm_decay_mult=0.))
param_scheduler = dict(
    type='PiecewiseLinearLR',
    by_epoch=True,
    convert_to_iter_based=True,
    knots=[(0, 0.21875), (8, 0.4375), (15, 0.0546875), (15, 0.2), (40, 0.02),
           (65, 0.002), (90, 0.0002), (100, 0.00002)])
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=448)
