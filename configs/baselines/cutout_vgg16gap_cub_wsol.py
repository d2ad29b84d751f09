# Cutout (DeVries and Taylor, 2017) of Table 4, VGG-GAP: a square of 112
# pixels, the size of Yun et al. (2019) for images of 224, filled with the mean
# colour (in the order of the loaded image, BGR).
_base_ = './baseline_vgg16gap_cub_wsol.py'
train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type='Cutout', shape=112, pad_val=(104, 116, 124), prob=1.0),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
