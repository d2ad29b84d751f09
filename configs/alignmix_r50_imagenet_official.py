# ImageNet, R-50, with the settings of the authors' code: the recipe of
# CutMix's authors with 8 GPUs x 128 images at the same learning rate; global
# average pooling as f; half of the batches mix images, the other half maps;
# one weight per batch; Sinkhorn stops early.
_base_ = './baselines/baseline_r50_imagenet_cutmix_recipe.py'
model = dict(
    type='AlignMixClassifier',
    mixer=dict(solver='log', tol=0.1, end='col'),
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[
        dict(type='AlignMix', alpha=2.0, modes=['input', 'feat', 'feat_swap'],
             probs=[0.5, 0.25, 0.25], lam_per='batch')
    ]))
train_dataloader = dict(batch_size=128)
auto_scale_lr = dict(base_batch_size=1024)
