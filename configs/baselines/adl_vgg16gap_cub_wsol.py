# ADL (Choe and Shim, 2019) of Table 4, VGG-GAP, with the recipe of Appendix B:
# after pool3, conv4_3 and conv5_3, as in Choe et al. (2020); ADL's authors
# place the second layer after pool4 ('features.13'). The threshold is theirs.
# The paper's MaxBoxAccV2, 61.3, may be a transposition of 66.3, which Choe et
# al. report.
_base_ = './baseline_vgg16gap_cub_wsol.py'
model = dict(
    adl=dict(
        at=('features.9', 'features.12', 'features.16'),
        drop_rate=0.75,
        drop_threshold=0.8))
