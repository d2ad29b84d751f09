import re
import subprocess
import sys
import zipfile

import mmengine
import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner.checkpoint import CheckpointLoader

from alignmix_mm.engine import compat


class Evil:

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        import pathlib
        return pathlib.Path.touch, (pathlib.Path(self.path), )


def save(tmp_path, content):
    path = tmp_path / 'checkpoint.pth'
    torch.save(content, path)
    return str(path)


def test_what_mmengine_stores_is_loaded(tmp_path):
    hub = MessageHub.get_instance('test_compat')
    for value in (1, 2., np.float32(3), np.int64(4)):
        hub.update_scalar('loss', value)
    hub.update_info('seed', np.uint32(7))
    path = save(tmp_path, dict(
        state_dict=dict(w=torch.ones(2)), message_hub=hub.state_dict(),
        meta=dict(epoch=1, time='now', seed=np.int32(3),
                  dataset_meta=dict(classes=('a', 'b')))))
    loaded = CheckpointLoader.load_checkpoint(path, 'cpu')
    buffer = loaded['message_hub']['log_scalars']['loss']
    assert isinstance(buffer, HistoryBuffer)
    assert buffer.mean() == 2.5 and buffer.statistics('mean') == 2.5
    assert loaded['meta']['seed'] == 3


def test_files_written_under_numpy_1_are_loaded(tmp_path):
    path = save(tmp_path, dict(array=np.arange(3.), scalar=np.float64(2)))
    old = tmp_path / 'old.pth'
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(old, 'w') as target:
        for item in source.infolist():
            data = source.read(item)
            if item.filename.endswith('data.pkl'):
                assert b'numpy._core.multiarray' in data
                data = data.replace(b'numpy._core.multiarray',
                                    b'numpy.core.multiarray')
            target.writestr(item, data)
    loaded = CheckpointLoader.load_checkpoint(str(old), 'cpu')
    assert loaded['array'].tolist() == [0, 1, 2] and loaded['scalar'] == 2


def test_code_in_a_checkpoint_is_not_executed(tmp_path):
    target = tmp_path / 'executed'
    path = save(tmp_path, dict(state_dict={}, extra=Evil(str(target))))
    with pytest.raises(RuntimeError, match=re.escape(path)) as error:
        CheckpointLoader.load_checkpoint(path, 'cpu')
    assert 'could execute code' in str(error.value)
    assert not target.exists()
    torch.load(path, weights_only=False)  # the file really is malicious
    assert target.exists()


@pytest.mark.parametrize('owner, name', [
    (np.ndarray, 'tofile'), (HistoryBuffer, '__init__'), (int, 'real')])
def test_getattr_is_no_way_around(tmp_path, owner, name):
    class Attribute:
        def __reduce__(self):
            return getattr, (owner, name)

    path = save(tmp_path, dict(extra=Attribute()))
    with pytest.raises(RuntimeError, match='Refused to load'):
        CheckpointLoader.load_checkpoint(path, 'cpu')


def test_the_allow_list_is_not_permanent(tmp_path):
    path = save(tmp_path, dict(state_dict={}))
    before = set(torch.serialization.get_safe_globals())
    CheckpointLoader.load_checkpoint(path, 'cpu')
    assert set(torch.serialization.get_safe_globals()) == before
    assert HistoryBuffer not in before


def test_a_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match='nothing.pth'):
        CheckpointLoader.load_checkpoint('nothing.pth', 'cpu')


def test_packages_are_found_without_pkg_resources(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pkg_resources', None)
    compat.apply()
    assert mmengine.utils.is_installed('mmpretrain')
    assert not mmengine.utils.is_installed('no_such_package')
    path = mmengine.utils.get_installed_path('mmpretrain')
    assert path.endswith('mmpretrain')
    assert mmengine.utils.get_installed_path('opencv-python').endswith('cv2')
    cfg = mmengine.Config.fromfile(
        f'{path}/.mim/configs/resnet/resnet18_8xb16_cifar10.py')
    assert cfg.model.backbone.depth == 18
    from mmengine.hub import get_config
    assert get_config('mmpretrain::resnet/resnet18_8xb16_cifar10.py')


def test_can_be_switched_off(monkeypatch):
    monkeypatch.setenv('ALIGNMIX_NO_COMPAT', '1')
    assert compat.apply() == []


def test_a_repaired_stack_is_left_alone():
    """What was replaced is not replaced again."""
    compat.enable()
    compat.enable.cache_clear()
    assert compat.enable() == ['_load_safely']
    assert '_replace_missing_pkg_resources' not in compat.apply()


UNTOUCHED = """
import inspect, sys, types
import mmpretrain.apis, mmengine.fileio, mmengine.runner.checkpoint

def functions():
    found = {}
    for name, module in list(sys.modules.items()):
        if not name.startswith(('mmengine', 'mmpretrain')):
            continue
        for owner in [module, *(x for x in vars(module).values()
                                if inspect.isclass(x))]:
            for key, value in list(vars(owner).items()):
                if isinstance(value, (types.FunctionType, staticmethod,
                                      classmethod)):
                    found[name, getattr(owner, '__name__', ''), key] = value
    return found

before = functions()
import alignmix_mm
alignmix_mm.AlignMixClassifier
after = functions()
changed = {key[1:] for key, value in before.items() if after[key] != value}
print(len(before), sorted(changed))
"""


@pytest.mark.process
def test_importing_the_package_changes_no_function_that_works():
    """Names of our own configs are resolved by an extension, the one here."""
    result = subprocess.run([sys.executable, '-c', UNTOUCHED], text=True,
                            capture_output=True, check=True)
    count, _, changed = result.stdout.splitlines()[-1].partition(' ')
    assert int(count) > 1000
    assert changed == "[('Config', '_get_cfg_path')]"
