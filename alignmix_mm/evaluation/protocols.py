"""Settings of the paper's evaluations, for code that imports nothing else."""

#: Attacks of Table 2, in units of 8-bit pixels.
ATTACKS = {
    'fgsm': dict(eps=8., step=8., num_steps=1, random_start=False),
    'pgd': dict(eps=4., step=2., num_steps=20, random_start=True),
}
