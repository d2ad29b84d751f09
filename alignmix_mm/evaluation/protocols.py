"""Settings of the paper's evaluations, for code that imports nothing else."""

#: Attacks of Table 2, in units of 8-bit pixels.
ATTACKS = {
    'fgsm': dict(eps=8., step=8., num_steps=1, random_start=False),
    'pgd': dict(eps=4., step=2., num_steps=20, random_start=True),
}

#: Choices of `alignmix test --metrics` in addition to attacks: evaluators of
#: images of the known classes, as in configs.
METRICS = {
    'accuracy': dict(type='Accuracy', topk=(1, )),
    'calibration': dict(type='CalibrationError'),
    'localization': dict(type='Localization'),
}
#: Distributions of synthetic images for out-of-distribution detection.
NOISE = ('uniform', 'gaussian')
