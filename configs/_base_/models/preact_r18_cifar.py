# PreActResNet-18 with global average pooling: the paper's Baseline on CIFAR.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='PreActResNet_CIFAR', depth=18),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=512,
        loss=dict(type='CrossEntropyLoss'),
    ))
