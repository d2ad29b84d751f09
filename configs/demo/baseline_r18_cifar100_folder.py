# baselines/baseline_r18_cifar100.py on CIFAR-100 stored as image folders,
# $ALIGNMIX_CIFAR100/{train,test}/<class>/<image>, instead of the official
# archives.
_base_ = '../baselines/baseline_r18_cifar100.py'
data_root = '{{$ALIGNMIX_CIFAR100:data/cifar100_folder}}'
data_preprocessor = dict(to_rgb=True)  # OpenCV loads BGR
train_pipeline = [dict(type='LoadImageFromFile'), *_base_.train_pipeline]
test_pipeline = [dict(type='LoadImageFromFile'), *_base_.test_pipeline]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root=data_root,
        data_prefix='train',
        pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root=data_root,
        data_prefix='test',
        pipeline=test_pipeline))
test_dataloader = val_dataloader
