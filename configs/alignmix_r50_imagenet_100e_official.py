# ImageNet, R-50, 100 epochs, with the settings of the authors' code: not the
# protocol of Table 5, but alignmix_r50_imagenet_official.py with a shorter
# schedule.
_base_ = './alignmix_r50_imagenet_official.py'
param_scheduler = dict(milestones=[30, 60, 90])
train_cfg = dict(max_epochs=100)
