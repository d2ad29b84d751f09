# acol_r50_cub_wsol.py with what is known of the settings of Choe et al.
# (2020), whose MaxBoxAccV2 is 66.5. They searched the learning rate of each
# method; here it is the default of their code: ten times as high in layer4,
# and not in the branches, which its rule does not name.
_base_ = './acol_r50_cub_wsol.py'
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(
    optimizer=dict(lr=0.01, weight_decay=5e-4, nesterov=True),
    paramwise_cfg=dict(custom_keys={
        'head': dict(lr_mult=1.),
        'backbone.layer4': dict(lr_mult=10.)
    }))
param_scheduler = [
    dict(type='StepLR', by_epoch=True, step_size=15, gamma=0.1)
]
train_cfg = dict(max_epochs=50)
auto_scale_lr = dict(base_batch_size=32)
