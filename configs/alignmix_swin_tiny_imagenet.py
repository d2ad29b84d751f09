# MMPretrain's Swin-tiny with AlignMix instead of Mixup, alongside
# CutMix. The 14x14 tokens of stage 3 are mixed before they are merged. Not in
# the paper, and not trained by us.
_base_ = 'mmpretrain::swin_transformer/swin-tiny_16xb64_in1k.py'
custom_imports = dict(imports=['alignmix_mm'], allow_failed_imports=False)
model = dict(
    type='AlignMixClassifier',
    mix_at='stages.2',
    train_cfg=dict(
        augments=[dict(type='AlignMix'), dict(type='CutMix', alpha=1.0)]))
train_dataloader = dict(drop_last=True)
