# alignmix_r50_cub_wsol.py with the settings of the authors' code (which does
# not support CUB): half of the batches mix images, the other half maps before
# the pooling; one weight per batch; Sinkhorn stops early.
_base_ = './alignmix_r50_cub_wsol.py'
model = dict(
    mix_at=None,
    mixer=dict(solver='log', tol=0.1, end='col'),
    train_cfg=dict(augments=[
        dict(type='AlignMix', alpha=2.0, modes=['input', 'feat', 'feat_swap'],
             probs=[0.5, 0.25, 0.25], lam_per='batch')
    ]))
