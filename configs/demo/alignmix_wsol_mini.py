# baseline_wsol_mini.py with AlignMix before the last block.
_base_ = './baseline_wsol_mini.py'
model = dict(
    type='AlignMixClassifier',
    mix_at='layer4.0',
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[dict(type='AlignMix', alpha=2.0)]))
