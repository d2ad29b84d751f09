# StyleMix (Hong et al., 2021) of Table 1(b), ImageNet, R-50. It needs two
# files of weights; see docs/saliencymix_stylemix.md.
_base_ = './baseline_r50_imagenet.py'
model = dict(
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[
        dict(type='StyleMix', encoder='checkpoints/vgg_normalised.pth',
             decoder='checkpoints/decoder.pth')
    ], probs=[0.2]))
