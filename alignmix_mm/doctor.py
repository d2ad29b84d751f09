"""Show the environment, its problems and how to repair them.

::

    python -m alignmix_mm.doctor

The exit status is 1 if something is wrong. It works without the OpenMMLab
stack.
"""
import importlib
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from .cli.options import make_parser
from .environment import STACK, device, is_there, owners, rows, version_of
from .shipped import shipped

# module: name of its distribution
REQUIRED = {'torch': 'torch', 'numpy': 'numpy', 'ot': 'pot',
            'packaging': 'packaging'}


class Finding(NamedTuple):
    """A problem or a remark about an environment.

    Attributes:
        text (str): Description.
        remedy (str): Command or advice.
        wrong (bool): Whether it breaks something. Defaults to True.
    """

    text: str
    remedy: str
    wrong: bool = True


def check_missing() -> Iterator[Finding]:
    """Find missing modules."""
    for module, name in REQUIRED.items():
        if not is_there(module):
            yield Finding(f'{module} is missing.', f'pip install {name}')
    missing = [m for m in STACK if not is_there(m)]
    gone = [name for m in missing for name in owners().get(m, [])]
    if gone:  # a removed distribution owned the same files
        yield Finding(
            f'{", ".join(missing)} is missing, although pip lists '
            f'{", ".join(gone)}.', _reinstall(gone))
    elif missing:
        yield Finding(f'{", ".join(missing)} is missing; only alignmix_mm.ops '
                      'works.', f'pip install "alignmix_mm[{_extra()}]"')


def check_imports() -> Iterator[Finding]:
    """Find the first package of the stack that cannot be imported."""
    for module in ('torch', *STACK):
        if not is_there(module):
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                importlib.import_module(module)
        except Exception as error:  # a broken package can raise anything
            yield Finding(
                f'{module} is installed but cannot be imported '
                f'({type(error).__name__}: {error}).',
                _repair(module, error))
            return


def check_owners() -> Iterator[Finding]:
    """Find modules that belong to two distributions."""
    for module in (*STACK, *REQUIRED, 'torchvision', 'triton', 'cv2'):
        names = owners().get(module, [])
        if len(names) < 2:
            continue
        keep = min(names, key=_rank)
        yield Finding(
            f'{module} belongs to {" and ".join(names)}, which overwrite each '
            'other\'s files.',
            f'pip uninstall -y {" ".join(names)} && '
            f'pip install --no-deps {keep}')


def check_versions() -> Iterator[Finding]:
    """Find versions that do not meet the requirements of setup.py."""
    try:
        from packaging.requirements import Requirement
        declared = importlib.metadata.requires('alignmix_mm') or []
    except (ImportError, importlib.metadata.PackageNotFoundError):
        return  # reported as missing, or a checkout that is not installed
    for requirement in map(Requirement, declared):
        if requirement.marker and not any(
                requirement.marker.evaluate({'extra': extra})
                for extra in ('', _extra())):
            continue
        version = version_of(requirement.name)
        if requirement.name == 'setuptools' or version is None or (
                requirement.specifier.contains(version, prereleases=True)):
            continue
        expected = f'{requirement.name}{requirement.specifier}'
        yield Finding(f'Expected {expected}, but {version} is installed.',
                      f'pip install "{expected}"')


def check_setuptools() -> Iterator[Finding]:
    """Find an mmengine that needs pkg_resources, if that is missing."""
    if not is_there('mmengine') or is_there('pkg_resources'):
        return
    origin = importlib.util.find_spec('mmengine').origin or ''
    asks = Path(origin).parent / 'utils' / 'package_utils.py'
    if not asks.is_file() or 'pkg_resources' not in asks.read_text():
        return
    text = (f'mmengine needs pkg_resources, which setuptools '
            f'{version_of("setuptools")} does not have: ')
    remedy = 'pip install "setuptools>=77.0.3,<82"'
    if os.environ.get('ALIGNMIX_NO_COMPAT') == '1':
        yield Finding(
            text + 'configs that inherit `mmpretrain::...` cannot be read, '
            'and ALIGNMIX_NO_COMPAT=1 disables the repair.',
            f'unset ALIGNMIX_NO_COMPAT, or {remedy}')
    else:
        yield Finding(
            text + "importing alignmix_mm repairs that, but MMPretrain's own "
            'tools read configs that inherit `mmpretrain::...` earlier.',
            remedy, wrong=False)


def check_kernels() -> Iterator[Finding]:
    """Find a GPU that torch or our kernels do not use."""
    _, gpu, kernels, reason = device()
    if gpu is None and shutil.which('nvidia-smi'):
        yield Finding(
            f'There is an NVIDIA driver, but torch sees no GPU ({reason}).',
            'compare the CUDA version of `nvidia-smi` with that of torch '
            'above. For a different build of torch: pip install '
            '--force-reinstall torch torchvision', wrong=False)
    elif gpu is not None and not kernels:
        yield Finding(
            f'Transport runs in plain torch, which is slower: {reason}.',
            'pip install triton' if 'not installed' in reason else
            'Triton needs a C compiler and Python\'s headers: apt-get install '
            'gcc python3-dev', wrong=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the environment and its problems.

    Args:
        argv (Sequence[str], optional): Arguments; there are no options.
            Defaults to None, which takes the command line.

    Returns:
        int: 1 if something is wrong, otherwise 0.
    """
    make_parser('doctor', __doc__).parse_args(argv)
    try:
        configs = str(shipped() / 'configs')
    except FileNotFoundError as error:
        configs = str(error)
    for name, value in (rows() | {'configs': configs}).items():
        print(f'{name:<14} {value}')
    findings = [finding for check in (
        check_missing, check_imports, check_owners, check_versions,
        check_setuptools, check_kernels) for finding in check()]
    for text, remedy, wrong in findings:
        print(f'\n{"WRONG" if wrong else "Note"}: {text}\n  Remedy: {remedy}')
    wrong = sum(finding.wrong for finding in findings)
    print(f'\nProblems: {wrong}.' if wrong else '\nNothing is wrong.')
    return int(wrong > 0)


def _extra() -> str:
    forks = any(name.startswith('onedl-') for module in STACK
                for name in owners().get(module, []))
    return 'onedl' if forks else 'official'


def _repair(module: str, error: Exception) -> str:
    lacks = getattr(error, 'name', None) if isinstance(
        error, ModuleNotFoundError) else None
    top_level = (lacks or module).partition('.')[0]
    if top_level != module:
        name = {**REQUIRED, 'cv2': 'opencv-python'}.get(top_level, top_level)
        return f'pip install {name}'
    return _reinstall(owners().get(module, [module]))


def _reinstall(names: list[str]) -> str:
    return f'pip install --force-reinstall --no-deps {" ".join(names)}'


def _rank(name: str) -> tuple[bool, bool, str]:
    """Sort key: maintained forks first; mmcv lacks wheels for new torch."""
    return (not name.startswith('onedl-'),
            name == 'mmcv' or name.endswith('-headless'), name)


if __name__ == '__main__':
    sys.exit(main())
