# Manifold mixup (Verma et al., 2019) on CUB-200-2011, VGG-GAP, with the recipe
# of Table 4. It is not in that table.
_base_ = './baseline_vgg16gap_cub_wsol.py'
model = dict(
    type='AlignMixClassifier',
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[
        dict(type='ManifoldMix', alpha=1.0,
             at=['input', 'features.2', 'features.5'])
    ]))
