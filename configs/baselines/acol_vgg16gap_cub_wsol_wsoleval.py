# acol_vgg16gap_cub_wsol.py with what is known of the settings of Choe et al.
# (2020), whose MaxBoxAccV2 is 57.4. They searched the learning rate of each
# method; here it is the default of their code.
_base_ = './acol_vgg16gap_cub_wsol.py'
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(
    optimizer=dict(lr=0.01, weight_decay=5e-4, nesterov=True))
param_scheduler = [
    dict(type='StepLR', by_epoch=True, step_size=15, gamma=0.1)
]
train_cfg = dict(max_epochs=50)
auto_scale_lr = dict(base_batch_size=32)
