"""Whatever happened to a file, one error says what is wrong with it."""
import os
import pickle
import random
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

from alignmix_mm.engine import checkpoints
from alignmix_mm.engine.checkpoints import CheckpointError
from alignmix_mm.engine.reading import RefusedError, find_problem

WEIGHTS = torch.arange(350.).view(50, 7)
HTML = b'\n<!DOCTYPE html><html><body>Log in</body></html>'


def write(path, step=3, old_format=False):
    history = HistoryBuffer()
    history.update(1.5)
    torch.save(dict(
        meta=dict(epoch=step, iter=10 * step, seed=np.int32(3)),
        state_dict={f'layers.{n}': WEIGHTS + n for n in range(4)},
        optimizer=dict(state={}, param_groups=[dict(lr=.1, params=[0])]),
        message_hub=dict(loss=history)), path,
        _use_new_zipfile_serialization=not old_format)
    return path


@pytest.fixture
def files(tmp_path):
    """A checkpoint, and a good one before it."""
    return write(tmp_path / 'epoch_3.pth'), write(tmp_path / 'epoch_2.pth', 2)


def message_of(path, trust=False):
    """What the error says; None if the file was loaded, and is right."""
    try:
        loaded = checkpoints.load_checkpoint(str(path), 'cpu', trust=trust)
    except CheckpointError as error:
        assert '\n' not in str(error)
        return str(error)
    assert loaded['meta'] == dict(epoch=3, iter=30, seed=3)
    assert all(torch.equal(value, WEIGHTS + n) for n, value in enumerate(
        loaded['state_dict'].values()))
    return None


def check(path, other, trust=False):
    message = message_of(path, trust)
    if message is None:
        return False
    assert message.startswith(f'{path} is not a complete checkpoint: it ')
    assert f'--resume {other}' in message and '--trust' not in message
    assert 'damaged' in message or 'not a checkpoint' in message, message
    assert 'PytorchStreamReader' not in message
    return True


def flipped(data, numbers):
    bit = numbers.randrange(8 * len(data))
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize('seed, trust', [
    *((seed, False) for seed in range(4)), (4, True)])
def test_single_bits(files, seed, trust):
    """Between the parts of an archive are bytes that nobody reads."""
    path, other = files
    data, numbers = path.read_bytes(), random.Random(seed)
    found = 0
    for _ in range(75):
        path.write_bytes(flipped(data, numbers))
        found += check(path, other, trust)
    assert 40 < found < 75


def test_cut_anywhere(files):
    path, other = files
    data, numbers = path.read_bytes(), random.Random(0)
    for size in [0, 1, 3, 4, 30, *numbers.sample(range(len(data)), 95)]:
        path.write_bytes(data[:size])
        assert check(path, other)


@pytest.mark.parametrize('size', [16, 512, 4096])
def test_blocks_of_zeros(files, size):
    path, other = files
    data, numbers = path.read_bytes(), random.Random(size)
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo('epoch_3/data/0').header_offset + 100
    for place in [0, start, *numbers.sample(range(len(data)), 20)]:
        path.write_bytes(data[:place] + bytes(size) + data[place + size:])
        assert check(path, other) or place not in (0, start)


@pytest.mark.parametrize('content, message', [
    (b'', 'it is empty, so it was cut off or damaged'),
    (bytes(5000), 'it begins with zeros'),
    (HTML, 'it is not a checkpoint but a web page'),
    (b'\xef\xbb\xbf<?xml version="1.0"?><Error/>', 'a web page or XML'),
    (b'version https://git-lfs.github.com/spec/v1\n', '`git lfs pull`'),
    (b'some text', 'it is not a file of torch.save, or'),
    (pickle.dumps(dict(state_dict=dict(w=1))), 'not a file of torch.save')],
    ids=['empty', 'zeros', 'html', 'xml', 'lfs', 'text', 'pickle'])
def test_what_is_not_a_checkpoint(files, content, message):
    path, other = files
    path.write_bytes(content)
    found = message_of(path)
    assert message in found and f'--resume {other}' in found
    assert '--trust' not in found and f'({len(content)} bytes)' in found


def test_something_before_an_archive(files):
    """As a server that sends its headers in the body."""
    path, other = files
    path.write_bytes(b'HTTP/1.1 200 OK\r\n\r\n' + path.read_bytes())
    assert 'there are extra bytes' in message_of(path) and check(path, other)


def test_another_archive(files):
    path, _ = files
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('weights.pth', b'x')
    message = message_of(path)
    assert 'without data.pkl' in message and 'unpack it' in message


def test_a_folder_and_a_link_to_nothing(files, tmp_path):
    _, other = files
    (tmp_path / 'folder.pth').mkdir()
    message = message_of(tmp_path / 'folder.pth')
    assert 'cannot be read: Is a directory' in message
    link = tmp_path / 'latest.pth'
    link.symlink_to('epoch_9.pth')
    with pytest.raises(FileNotFoundError) as error:
        CheckpointLoader.load_checkpoint(str(link), 'cpu')
    assert 'a link to epoch_9.pth, which does not exist' in str(error.value)
    assert '--resume' in str(error.value)


def test_a_file_that_must_not_be_read(files, monkeypatch):
    path, _ = files

    def refuse(*_, **__):
        raise PermissionError(13, 'Permission denied', str(path))

    monkeypatch.setattr('builtins.open', refuse)
    assert find_problem(path) == 'it cannot be read: Permission denied'


def test_old_formats(files, tmp_path):
    """They have no checksums: what torch trips over is damage, not code."""
    path, other = files
    write(path, old_format=True)
    assert message_of(path) is None
    data, numbers = path.read_bytes(), random.Random(0)
    for size in numbers.sample(range(len(data)), 60):
        path.write_bytes(data[:size])
        assert check(path, other)
    for name, wrong in ((b'OrderedDict', b'OrderedDicu'),
                        (b'torch._utils', b'torch._util3'),
                        (b'mmengine.logging', b'nmengine.logging')):
        path.write_bytes(data.replace(name, wrong))
        assert check(path, other)
    path.write_bytes(data.replace(b'collections\nOrderedDict', b'os\nsystem'))
    assert 'Refused' in (message := message_of(path))
    assert 'GLOBAL os.system whose module os is blocked' in message


@pytest.mark.parametrize('content, end', [
    (tarfile.TarInfo, 'GLOBAL tarfile.TarInfo was not an allowed global by '
     'default'),
    (os.system, 'GLOBAL posix.system whose module posix is blocked.')],
    ids=['class', 'blocked'])
def test_reasons_have_no_advice_of_torch(tmp_path, content, end):
    path = tmp_path / 'a.pth'
    torch.save(dict(x=content), path)
    with pytest.raises(RefusedError) as error:
        checkpoints.load_checkpoint(str(path))
    assert str(error.value).endswith(end)


def test_trusted_files_of_missing_packages(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(x=tarfile.TarInfo), path)
    with zipfile.ZipFile(path) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    with zipfile.ZipFile(path, 'w') as target:
        for name, data in parts.items():
            target.writestr(name, data.replace(b'tarfile', b'notthere'))
    assert message_of(path, trust=True) == (
        f"{path} cannot be loaded here: ModuleNotFoundError: No module named "
        "'notthere'")


def test_devices_that_are_missing(files):
    """The file is right, and so would any other be wrong."""
    def refuse(*_):
        raise RuntimeError('There is no such device.\nUse another one.')

    with pytest.raises(CheckpointError) as error:
        checkpoints.load_checkpoint(str(files[0]), refuse)
    assert str(error.value) == (
        f'{files[0]} cannot be loaded here: RuntimeError: There is no such '
        'device. Use another one.')
