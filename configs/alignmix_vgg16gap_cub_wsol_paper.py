# alignmix_vgg16gap_cub_wsol.py as the paper has it: maps are mixed before the
# pooling, aligned by 100 plain Sinkhorn iterations. They do not converge, and
# only by what is missing alignment has an effect there.
_base_ = './alignmix_vgg16gap_cub_wsol.py'
model = dict(mix_at=None, mixer=dict(solver='log'))
