# CIFAR-10, R-18, with the settings of the authors' code: global average
# pooling as f; half of the batches mix images, the other half maps; one weight
# per batch; Sinkhorn stops early. (Their code keeps the last, smaller batch.)
_base_ = './baselines/baseline_r18_cifar10.py'
model = dict(
    type='AlignMixClassifier',
    mixer=dict(solver='log', tol=0.1, end='col'),
    head=dict(loss=dict(use_soft=True)),
    train_cfg=dict(augments=[
        dict(type='AlignMix', alpha=2.0, modes=['input', 'feat', 'feat_swap'],
             probs=[0.5, 0.25, 0.25], lam_per='batch')
    ]))
