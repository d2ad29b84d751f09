# MMPretrain's ConvNeXt-tiny with AlignMix instead of Mixup, alongside
# CutMix. Maps of 14x14 are mixed after stage 3: the blocks of the last stage
# start as the identity (layer scale 1e-6), so alignment after them would have
# no effect for a long time. Not in the paper, and not trained by us.
_base_ = 'mmpretrain::convnext/convnext-tiny_32xb128_in1k.py'
custom_imports = dict(imports=['alignmix_mm'], allow_failed_imports=False)
model = dict(
    type='AlignMixClassifier',
    mix_at='stages.2',
    train_cfg=dict(
        augments=[dict(type='AlignMix'), dict(type='CutMix', alpha=1.0)]))
train_dataloader = dict(drop_last=True)
