# AlignMix/AE on digits: all 897 of the training set, so that reconstructions
# are recognisable after a few minutes on two cores.
_base_ = './alignmix_digits.py'
model = dict(
    type='AlignMixAEClassifier',
    decoder=dict(
        type='ResidualDecoder', in_channels=128, widths=(128, 64, 32, 16)),
    train_cfg=dict(augments=[
        dict(type='AlignMix', alpha=2.0,
             modes=['clean', 'input', 'embed', 'feat', 'feat_swap'])
    ]))
train_dataloader = dict(dataset=dict(per_class=None))
find_unused_parameters = True
train_cfg = dict(max_epochs=150, val_interval=150)
default_hooks = dict(checkpoint=dict(interval=150))
