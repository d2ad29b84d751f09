"""What is installed works without the repository."""
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import mmpretrain
import pytest
from mmengine.config import Config

pytestmark = pytest.mark.process
MIM_TOOLS = Path(mmpretrain.__file__).parent / '.mim' / 'tools'


def call(*args, **options):
    """Run a Python process; its output is the message if it fails."""
    result = subprocess.run([sys.executable, *map(str, args)], text=True,
                            capture_output=True, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope='module')
def sdist(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp('sdist')
    call('setup.py', '-q', 'egg_info', '--egg-base', folder, 'sdist',
         '--dist-dir', folder, cwd=root)
    path, = folder.glob('*.tar.gz')
    return path


@pytest.fixture(scope='module')
def wheel(sdist, tmp_path_factory):
    """Built of the sdist alone."""
    folder = tmp_path_factory.mktemp('wheel')
    call('-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation',
         '--wheel-dir', folder, sdist)
    path, = folder.glob('*.whl')
    return path


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory):
    """Folder into which the wheel is installed, and nothing else."""
    folder = tmp_path_factory.mktemp('installed')
    call('-m', 'pip', 'install', '--no-deps', '--target', folder, wheel)
    return folder


@pytest.fixture
def outside(installed, tmp_path, monkeypatch):
    """An empty folder, in which the installed package is found first."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('PYTHONPATH', str(installed))
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    return tmp_path


def names_in(folder):
    return {path.relative_to(folder).as_posix()
            for path in folder.rglob('*')
            if path.is_file() and '__pycache__' not in path.parts}


def test_the_sdist_has_what_it_is_built_of(sdist, root):
    with tarfile.open(sdist) as archive:
        names = {name.partition('/')[2] for name in archive.getnames()}
    assert {'LICENSE', 'CITATION.cff', 'model-index.yml', 'setup.py',
            'pyproject.toml', 'requirements/runtime.txt'} <= names
    assert {f'configs/{name}' for name in names_in(root / 'configs')} <= names
    assert not [name for name in names if name.startswith('tests/')]


def test_the_wheel_has_all_modules_and_mmpretrains_layout(wheel, root):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(
            name for name in names if name.endswith('METADATA'))).decode()
    mim = 'alignmix_mm/.mim'
    assert {f'{mim}/configs/{n}' for n in names_in(root / 'configs')} == {
        name for name in names if name.startswith(f'{mim}/configs/')}
    assert {f'alignmix_mm/{n}' for n in names_in(root / 'alignmix_mm')} == {
        name for name in names
        if name.startswith('alignmix_mm/') and not name.startswith(mim)}
    assert {f'{mim}/model-index.yml', f'{mim}/tools/train.py',
            f'{mim}/tools/dist_train.sh', 'alignmix_mm/py.typed',
            'alignmix_mm/__init__.pyi'} <= names
    assert not [name for name in names if 'index_configs' in name]
    assert 'License-Expression: Apache-2.0' in metadata
    assert 'License-File: LICENSE' in metadata
    assert 'Requires-Dist: mmpretrain<1.3,>=1.2.0; extra == "official"' in (
        metadata)


INSTALLED = '''
import json
import alignmix_mm, mmpretrain
from alignmix_mm.shipped import shipped
model = mmpretrain.get_model('alignmix-digits')
print(json.dumps(dict(
    package=alignmix_mm.__file__, shipped=str(shipped()),
    names=mmpretrain.list_models('alignmix'), model=type(model).__name__,
    config=model._config.filename)))
'''


def test_mmpretrain_finds_models_by_name(outside, installed):
    found = json.loads(call('-c', INSTALLED).splitlines()[-1])
    package = installed / 'alignmix_mm'
    assert found['package'] == str(package / '__init__.py')
    assert found['shipped'] == str(package / '.mim')
    assert {'alignmix-digits', 'alignmix-r18_cifar10',
            'alignmix-baseline_digits'} <= set(found['names'])
    assert found['model'] == 'AlignMixClassifier'
    assert found['config'] == str(
        package / '.mim' / 'configs' / 'demo' / 'alignmix_digits.py')


# By prefix once alignmix_mm is imported, as our tools do; by an expression
# with any tool, since `_base_` is read before `custom_imports`.
PREFIX = "'alignmix_mm::demo/alignmix_digits.py'"
CALL = "__import__('alignmix_mm').config_path('demo/alignmix_digits.py')"


@pytest.mark.parametrize('tools, base', [
    (MIM_TOOLS, CALL), ('alignmix_mm/.mim/tools', PREFIX)],
    ids=['mmpretrain', 'ours'])
def test_a_config_that_inherits_ours_is_trained(outside, installed, tools,
                                                base):
    """Training on two batches of digits, in an empty folder."""
    (outside / 'mine.py').write_text(
        f'_base_ = [{base}]\n'
        "package = __import__('alignmix_mm').__file__\n"
        'train_cfg = dict(max_epochs=1)\n'
        'default_hooks = dict(checkpoint=dict(interval=1))\n')
    call(installed / tools / 'train.py', 'mine.py', '--no-validate',
         '--work-dir', 'run')
    assert (outside / 'run' / 'epoch_1.pth').is_file()
    trained = Config.fromfile(outside / 'run' / 'mine.py')
    assert trained.package == str(installed / 'alignmix_mm' / '__init__.py')
    assert trained.model.type == 'AlignMixClassifier'
    assert '_scope_' not in trained.model


def test_a_shipped_config_is_trained_with_mmpretrains_tool(outside,
                                                           installed):
    configs = installed / 'alignmix_mm' / '.mim' / 'configs'
    call(MIM_TOOLS / 'train.py', configs / 'demo' / 'alignmix_digits.py',
         '--no-validate', '--work-dir', 'run', '--cfg-options',
         'train_cfg.max_epochs=1', 'default_hooks.checkpoint.interval=1')
    assert (outside / 'run' / 'epoch_1.pth').is_file()


def test_shipped_configs_are_read_outside(outside, installed):
    """Their relative and `mmpretrain::` bases are found."""
    configs = installed / 'alignmix_mm' / '.mim' / 'configs'
    paths = sorted(path for path in configs.rglob('*.py')
                   if '_base_' not in path.parts)
    assert len(paths) > 90
    for path in paths[::8]:  # all of them are those of the checkout
        assert Config.fromfile(path).model.type


def test_doctor_and_collect_env_run(outside, installed):
    output = call('-m', 'alignmix_mm.doctor')
    assert str(installed / 'alignmix_mm' / '.mim' / 'configs') in output
    assert 'mmpretrain     ' in output and 'Nothing is wrong.' in output
    output = call('-m', 'alignmix_mm.collect_env')
    assert 'alignmix_mm: ' in output and 'mmcv: ' in output
    assert 'GCC: ' in output  # of MMEngine


def test_the_console_command_runs_outside(outside, installed):
    alignmix = installed / 'bin' / 'alignmix'
    assert 'train a model' in call(alignmix, '--help')
    call(alignmix, 'train', installed / 'alignmix_mm' / '.mim' / 'configs'
         / 'demo' / 'alignmix_digits.py', '--no-validate', '--work-dir',
         'run', '--cfg-options', 'train_cfg.max_epochs=1')
    call(alignmix, 'report', 'run', '--out', 'report.html')
    assert (outside / 'report.html').stat().st_size > 10_000
