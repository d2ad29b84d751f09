# alignmix_r50_cub_wsol.py as in the paper: maps are mixed before the pooling,
# aligned by 100 plain Sinkhorn iterations. These do not converge, which is the
# only reason why alignment has an effect there.
_base_ = './alignmix_r50_cub_wsol.py'
model = dict(mix_at=None, mixer=dict(solver='log'))
