# MMPretrain's DeiT-small with AlignMix instead of Mixup, alongside
# CutMix. Patch tokens are aligned before the last block, the class token is
# mixed without alignment. Not in the paper, and not trained by us.
_base_ = 'mmpretrain::deit/deit-small_4xb256_in1k.py'
custom_imports = dict(imports=['alignmix_mm'], allow_failed_imports=False)
model = dict(
    type='AlignMixClassifier',
    mix_at='layers.10',
    train_cfg=dict(
        augments=[dict(type='AlignMix'), dict(type='CutMix', alpha=1.0)]))
train_dataloader = dict(drop_last=True)
