"""Every warning of the doctor, in an environment made for it."""
import importlib.metadata
import importlib.util
import subprocess
import sys

import pytest
import torch

from alignmix_mm import collect_env, doctor, environment


@pytest.fixture(autouse=True)
def no_cache():
    environment.owners.cache_clear()
    yield
    environment.owners.cache_clear()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Write the metadata of a distribution, as pip would."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, version, module, *requires):
        folder = tmp_path / f'{name.replace("-", "_")}-{version}.dist-info'
        folder.mkdir()
        (folder / 'METADATA').write_text('\n'.join(
            ['Metadata-Version: 2.1', f'Name: {name}', f'Version: {version}',
             *(f'Requires-Dist: {requirement}' for requirement in requires)]))
        (folder / 'top_level.txt').write_text(f'{module}\n')
        importlib.invalidate_caches()

    return write


@pytest.fixture
def hide(monkeypatch):
    """Let modules not be found."""
    find = importlib.util.find_spec

    def hide(*modules):
        monkeypatch.setattr(
            importlib.util, 'find_spec', lambda name, *args:
            None if name in modules else find(name, *args))

    return hide


def test_this_environment_is_fine(capsys):
    assert doctor.main([]) == 0
    output = capsys.readouterr().out
    assert 'Nothing is wrong.' in output and 'WRONG' not in output
    assert importlib.metadata.version('torch') in output


def test_two_owners_of_a_module(install, capsys):
    install('onedl-mmcv', '2.3.6', 'mmcv')
    install('opencv-python-headless', '5.0', 'cv2')
    install('mmcv-lite', '2.2.0', 'mmcv')
    assert doctor.main([]) == 1
    output = capsys.readouterr().out
    assert 'mmcv belongs to mmcv-lite and onedl-mmcv, which' in output
    assert ('pip uninstall -y mmcv-lite onedl-mmcv && '
            'pip install --no-deps onedl-mmcv') in output
    assert 'pip install --no-deps opencv-python\n' in output
    assert '(mmcv-lite), 2.3.6 (onedl-mmcv)' in output
    assert 'Problems: 2.' in output


def test_a_missing_stack(hide, monkeypatch, capsys):
    hide('mmengine', 'mmcv', 'mmpretrain')
    monkeypatch.setattr(doctor, 'owners', lambda: {})
    assert doctor.main([]) == 1
    output = capsys.readouterr().out
    assert 'mmengine, mmcv, mmpretrain is missing; only' in output
    assert 'Remedy: pip install "alignmix_mm[official]"' in output
    assert 'mmpretrain     missing' in output


def test_the_rest_of_the_forks_is_missing(hide, monkeypatch):
    hide('mmpretrain')
    monkeypatch.setattr(doctor, 'owners',
                        lambda: {'mmengine': ['onedl-mmengine']})
    finding, = doctor.check_missing()
    assert finding.remedy == 'pip install "alignmix_mm[onedl]"'


def test_files_are_gone_that_pip_lists(hide, monkeypatch):
    hide('mmengine')
    monkeypatch.setattr(doctor, 'owners',
                        lambda: {'mmengine': ['onedl-mmengine']})
    finding, = doctor.check_missing()
    assert 'though pip lists onedl-mmengine' in finding.text
    assert finding.remedy.endswith('--no-deps onedl-mmengine')


@pytest.mark.parametrize('module, name', doctor.REQUIRED.items())
def test_a_missing_requirement(hide, module, name):
    hide(module)
    finding, = doctor.check_missing()
    assert finding == (f'{module} is missing.', f'pip install {name}', True)


@pytest.mark.parametrize('lacks, remedy', [
    ('mmcv.image', 'pip install --force-reinstall --no-deps mmcv-lite'),
    ('cv2', 'pip install opencv-python'),
    ('nothing_there', 'pip install nothing_there')])
def test_half_a_package(tmp_path, monkeypatch, lacks, remedy):
    """What uninstalling one of two owners leaves behind, and the like."""
    (tmp_path / 'mmcv').mkdir()
    (tmp_path / 'mmcv' / '__init__.py').write_text(f'import {lacks}\n')
    for name in [name for name in sys.modules
                 if name.partition('.')[0] == 'mmcv']:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'cv2', None)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(doctor, 'owners', lambda: {'mmcv': ['mmcv-lite']})
    finding, = doctor.check_imports()
    assert finding.text.startswith('mmcv is installed but cannot be imported')
    assert lacks in finding.text
    assert finding.remedy == remedy


def test_versions_that_are_not_asked_for(install):
    extra = doctor._extra()
    install('alignmix-mm', '9', 'alignmix_mm', 'torch>=99', 'numpy>=1',
            f'pytest>=99; extra == "{extra}"', 'torch>=98; extra == "other"',
            f'nothing-there; extra == "{extra}"')
    found = list(doctor.check_versions())
    version = importlib.metadata.version('torch')
    assert found[0] == (f'Expected torch>=99, but {version} is installed.',
                        'pip install "torch>=99"', True)
    assert [finding.remedy for finding in found[1:]] == [
        'pip install "pytest>=99"']


@pytest.fixture
def setuptools_82(hide, tmp_path, monkeypatch):
    """An mmengine that asks for `pkg_resources`, which is not there."""
    (tmp_path / 'mmengine' / 'utils').mkdir(parents=True)
    (tmp_path / 'mmengine' / '__init__.py').touch()
    source = tmp_path / 'mmengine' / 'utils' / 'package_utils.py'
    source.write_text('import pkg_resources\n')
    for name in [name for name in sys.modules
                 if name.partition('.')[0] == 'mmengine']:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    hide('pkg_resources')
    return source


def test_new_setuptools_that_compat_repairs(setuptools_82):
    finding, = doctor.check_setuptools()
    assert not finding.wrong
    assert finding.remedy == 'pip install "setuptools>=77.0.3,<82"'


def test_new_setuptools_without_compat(setuptools_82, monkeypatch):
    monkeypatch.setenv('ALIGNMIX_NO_COMPAT', '1')
    finding, = doctor.check_setuptools()
    assert finding.wrong and 'ALIGNMIX_NO_COMPAT=1 disables' in finding.text
    assert 'unset ALIGNMIX_NO_COMPAT' in finding.remedy


def test_new_setuptools_with_a_repaired_mmengine(setuptools_82):
    setuptools_82.write_text('import importlib.metadata\n')
    assert not list(doctor.check_setuptools())


@pytest.mark.parametrize('device, text, remedy', [
    ((None, None, False, 'needs CUDA'), 'sees no GPU (needs CUDA)', 'nvidia'),
    (('13.2', 'H200', False, 'Triton is not installed'), 'in plain torch',
     'pip install triton'),
    (('13.2', 'H200', False, 'Triton does not work'), 'in plain torch',
     'apt-get install gcc')])
def test_a_gpu_that_is_not_used(monkeypatch, device, text, remedy):
    monkeypatch.setattr(doctor, 'device',
                        lambda: environment.Device(*device))
    monkeypatch.setattr(doctor.shutil, 'which', lambda name: f'/bin/{name}')
    finding, = doctor.check_kernels()
    assert text in finding.text and remedy in finding.remedy
    assert not finding.wrong


def test_a_gpu_that_is_used(monkeypatch):
    monkeypatch.setattr(doctor, 'device', lambda: environment.Device(
        '13.2', 'H200', True, 'cuda device'))
    assert not list(doctor.check_kernels())


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_the_device_without_a_gpu():
    cuda, gpu, _, reason = environment.device()
    assert cuda == torch.version.cuda and gpu is None
    assert reason


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_the_device_with_a_gpu():
    _, gpu, kernels, reason = environment.device()
    assert torch.cuda.get_device_name(0) in gpu and kernels, reason


WITHOUT_MM = '''
import importlib.util as u, sys
find = u.find_spec
hidden = {}
u.find_spec = lambda name, *a: None if name in hidden else find(name, *a)
sys.modules.update(dict.fromkeys(hidden))
import runpy
runpy.run_module('alignmix_mm.{}', run_name='__main__')
'''


def run_without(hidden, module):
    code = WITHOUT_MM.replace('hidden = {}', f'hidden = {hidden}')
    return subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code.replace('{}', module)],
        capture_output=True, text=True)


@pytest.mark.process
@pytest.mark.parametrize('hidden', [
    ['mmengine', 'mmcv', 'mmpretrain'],
    ['mmengine', 'mmcv', 'mmpretrain', 'torch']])
def test_the_doctor_works_without(hidden):
    result = run_without(hidden, 'doctor')
    assert result.returncode == 1, result.stderr
    assert 'mmpretrain     missing' in result.stdout
    assert ('torch is missing.' in result.stdout) == ('torch' in hidden)


@pytest.mark.process
def test_a_stack_that_cannot_be_imported_is_named(tmp_path):
    """By the classes that need it; importing the package stays possible."""
    (tmp_path / 'mmpretrain.py').write_text('raise AssertionError("too old")')
    result = subprocess.run(
        [sys.executable, '-c',
         f'import sys; sys.path.insert(0, {str(tmp_path)!r}); '
         'import alignmix_mm; alignmix_mm.AlignMix'],
        capture_output=True, text=True)
    advice = 'cannot import mmpretrain (AssertionError: too old)'
    assert result.returncode == 1
    assert f'ImportError: alignmix_mm {advice}' in result.stderr
    assert 'python -m alignmix_mm.doctor' in result.stderr


def test_collect_env_works_without_mmengine(monkeypatch):
    import torch.utils.collect_env as of_torch
    monkeypatch.setitem(sys.modules, 'mmengine.utils.dl_utils', None)
    monkeypatch.setattr(of_torch, 'get_pretty_env_info', lambda: 'all of it')
    found = collect_env.collect_env()
    assert found['torch.utils.collect_env'] == 'all of it'
    assert found['torch'].startswith(importlib.metadata.version('torch'))


def test_collect_env_works_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmengine.utils.dl_utils', None)
    monkeypatch.setitem(sys.modules, 'torch.utils.collect_env', None)
    assert list(collect_env.collect_env()) == list(environment.rows())
