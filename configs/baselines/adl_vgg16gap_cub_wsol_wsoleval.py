# adl_vgg16gap_cub_wsol.py with what is known of the settings of Choe et al.
# (2020), whose MaxBoxAccV2 is 66.3. They searched the learning rate and the
# threshold of each method; here they are the defaults of their command line.
_base_ = './adl_vgg16gap_cub_wsol.py'
model = dict(adl=dict(drop_threshold=0.9))
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(
    optimizer=dict(lr=0.01, weight_decay=5e-4, nesterov=True))
param_scheduler = [
    dict(type='StepLR', by_epoch=True, step_size=15, gamma=0.1)
]
train_cfg = dict(max_epochs=50)
auto_scale_lr = dict(base_batch_size=32)
