"""Packaging. Each extra is a file in requirements/."""
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
# tools that work only in a checkout
NOT_SHIPPED = ('__pycache__', 'index_configs.py',
               'verify_sinkhorn.py', 'sinkhorn_oracle.py', 'weightless.py')


class BuildWithConfigs(build_py):
    """Put configs and tools into ``.mim``, as MMPretrain does."""

    def run(self) -> None:
        """Build the package; in editable mode, the checkout has the files."""
        super().run()
        if self.editable_mode:
            return
        mim = Path(self.build_lib) / 'alignmix_mm' / '.mim'
        shutil.rmtree(mim, ignore_errors=True)
        for name in ('configs', 'tools'):
            shutil.copytree(ROOT / name, mim / name,
                            ignore=shutil.ignore_patterns(*NOT_SHIPPED))
        shutil.copy(ROOT / 'model-index.yml', mim)


def requirements(name: str) -> list[str]:
    """Read the requirements in one file, one per line."""
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
    license_expression='Apache-2.0',
    license_files=['LICENSE'],
    keywords=['mixup', 'data augmentation', 'optimal transport', 'sinkhorn',
              'image classification', 'mmpretrain', 'openmmlab', 'pytorch'],
    packages=find_packages(include=['alignmix_mm', 'alignmix_mm.*']),
    package_data={'alignmix_mm': ['py.typed', '*.pyi'],
                  'alignmix_mm.cli.comparing': ['*.j2'],
                  'alignmix_mm.cli.reporting': ['*.css', '*.js', '*.j2']},
    entry_points=dict(
        console_scripts=['alignmix = alignmix_mm.cli.main:main']),
    cmdclass=dict(build_py=BuildWithConfigs),
    python_requires='>=3.10',
    # No package of the OpenMMLab stack here: pip would overwrite a full mmcv
    # with mmcv-lite, or the maintained forks with the official packages.
    install_requires=requirements('runtime'),
    extras_require={
        name: requirements(name)
        for name in ('official', 'onedl', 'demo', 'eval', 'export', 'report',
                     'tests')
    },
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Developers',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3 :: Only',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
)
