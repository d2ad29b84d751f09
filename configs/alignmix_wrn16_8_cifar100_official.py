# CIFAR-100, WRN16-8, with the settings of the authors' code; see
# alignmix_r18_cifar100_official.py: A is 512x8x8, and the last normalization
# all but forgets earlier batches.
_base_ = './alignmix_r18_cifar100_official.py'
model = dict(
    backbone=dict(
        _delete_=True, type='WideResNet_CIFAR', final_bn_momentum=0.9))
