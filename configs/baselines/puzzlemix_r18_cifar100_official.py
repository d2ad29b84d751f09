# PuzzleMix, CIFAR-100, R-18, with the settings of its authors' code: their
# network, loss and recipe, 1200 epochs, learning rate 0.1, divided by 10 at
# epochs 400 and 800.
_base_ = './baseline_r18_cifar100.py'
model = dict(
    type='AlignMixClassifier',
    backbone=dict(stem_norm=False, identity_shortcut='raw'),
    head=dict(loss=dict(_delete_=True, type='SoftmaxBCELoss')),
    train_cfg=dict(augments=[dict(type='PuzzleMix', t_size=4)]))
train_pipeline = [
    dict(type='RandomCrop', crop_size=32, padding=2),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=100, dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(lr=0.1, nesterov=True))
param_scheduler = dict(milestones=[400, 800])
train_cfg = dict(max_epochs=1200)
auto_scale_lr = dict(base_batch_size=100)
