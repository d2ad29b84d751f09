# ADL (Choe and Shim, 2019) of Table 4, R-50, with the recipe of Appendix B:
# after the blocks that Choe et al. (2020) chose. The threshold is that of
# ADL's authors for a ResNet-50 (with squeeze and excitation); the paper does
# not give one.
_base_ = './baseline_r50_cub_wsol.py'
model = dict(
    adl=dict(
        at=('layer3.0', 'layer4.0', 'layer4.2'),
        drop_rate=0.75,
        drop_threshold=0.9))
