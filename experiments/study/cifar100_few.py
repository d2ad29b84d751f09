# 10 training images of each class, which the network learns by heart, and all
# test images.
_base_ = './cifar100.py'
train_dataloader = dict(dataset=dict(part=(0, .02)))
test_dataloader = dict(batch_size=500, dataset=dict(part=(0, 1.)))
