# StyleMix (Hong et al., 2021) of Table 1(a), CIFAR-10, WRN16-8. It needs two
# files of weights; see docs/saliencymix_stylemix.md.
_base_ = './stylemix_r18_cifar10.py'
model = dict(backbone=dict(_delete_=True, type='WideResNet_CIFAR'))
