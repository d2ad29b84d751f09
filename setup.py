"""Packaging; extras are the files of requirements/."""
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def requirements(name: str) -> list[str]:
    """Requirements of one file, one for each line."""
    return (ROOT / 'requirements' / f'{name}.txt').read_text().split('\n')[:-1]


version = {}
exec((ROOT / 'alignmix_mm' / 'version.py').read_text(), version)

setup(
    name='alignmix_mm',
    version=version['__version__'],
    description='AlignMix for MMPretrain: mix feature maps after aligning '
    'them by optimal transport',
    long_description=(ROOT / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['alignmix_mm', 'alignmix_mm.*']),
    python_requires='>=3.10',
    # No package of the OpenMMLab stack: pip would put mmcv-lite over a full
    # mmcv, or the official packages over their maintained forks.
    install_requires=requirements('runtime'),
    extras_require={
        name: requirements(name)
        for name in ('official', 'onedl', 'demo', 'eval', 'report', 'tests')
    },
    classifiers=[
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
)
