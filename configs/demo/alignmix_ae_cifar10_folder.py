# AlignMix/AE on CIFAR-10 stored as image folders, small enough for two cores
# (about an hour): a narrow encoder with a stem of stride 2, small batches and
# AdamW. Reconstruction is learned slowly next to classification, so it gets
# more than the paper's fifth of the batches, and more weight.
_base_ = './alignmix_r18_cifar10_folder.py'
model = dict(
    type='AlignMixAEClassifier',
    backbone=dict(base_channels=32, stem_stride=2, last_stride=1),
    neck=dict(embed=dict(in_channels=256 * 4 * 4, out_channels=512)),
    decoder=dict(
        type='ResidualDecoder', in_channels=512, widths=(256, 128, 64, 32)),
    loss_weight=20.,
    train_cfg=dict(augments=[
        dict(type='AlignMix', alpha=2.0,
             modes=['clean', 'input', 'embed', 'feat', 'feat_swap'],
             probs=[0.6, 0.1, 0.1, 0.1, 0.1])
    ]))
train_dataloader = dict(batch_size=64)
optim_wrapper = dict(
    optimizer=dict(
        _delete_=True, type='AdamW', lr=1e-3, weight_decay=1e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, eta_min=0.),
]
train_cfg = dict(max_epochs=16, val_interval=16)
default_hooks = dict(
    checkpoint=dict(interval=4, max_keep_ckpts=1), logger=dict(interval=50))
find_unused_parameters = True
