# CUB-200-2011 for localization, Appendix B: images of 256x256, crops of 224;
# at test time 224x224 directly, with boxes. Resizing neither keeps the aspect
# nor crops, because boxes are scaled with the image. Pillow shrinks with
# antialiasing, as torchvision does, which Choe et al. (2020) use. The paper
# mentions no flip; Choe et al. flip.
_base_ = 'mmpretrain::_base_/datasets/cub_bs8_448.py'
data_root = 'data/CUB_200_2011'
load = dict(type='LoadImageFromFile', imdecode_backend='pillow')
train_pipeline = [
    load,
    dict(type='Resize', scale=(256, 256), backend='pillow'),
    dict(type='RandomCrop', crop_size=224),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    load,
    dict(type='Resize', scale=(224, 224), backend='pillow'),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    drop_last=True,
    dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=16,
    num_workers=4,
    dataset=dict(
        type='CUBWithBoxes', data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = [dict(type='Accuracy'), dict(type='Localization')]
test_evaluator = val_evaluator
