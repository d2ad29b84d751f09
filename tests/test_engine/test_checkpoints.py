"""Files that are whole, and that execute nothing."""
import http.server
import os
import re
import threading
import zipfile
from functools import partial

import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader

from alignmix_mm.engine import checkpoints, compat


class Evil:

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        import pathlib
        return pathlib.Path.touch, (pathlib.Path(self.path), )


def save(path, **content):
    torch.save(dict(state_dict=dict(w=torch.randn(50, 50)), **content), path)
    return path


def test_mmengine_writes_that_way(tmp_path, monkeypatch):
    compat.enable()
    from mmengine.fileio import get_file_backend
    from mmengine.runner.checkpoint import save_checkpoint
    calls = []
    monkeypatch.setattr(os, 'fsync', calls.append)
    save_checkpoint(dict(w=torch.ones(2)), str(tmp_path / 'a.pth'))
    assert len(calls) == 1 and checkpoints.is_complete(tmp_path / 'a.pth')
    get_file_backend(str(tmp_path)).put(b'x', tmp_path / 'b')
    assert (tmp_path / 'b').read_bytes() == b'x'


def damage(path, how):
    data = path.read_bytes()
    if how == 'cut':
        path.write_bytes(data[:len(data) // 2])
    elif how == 'empty':
        path.write_bytes(b'')
    elif how == 'zeros':  # as some file systems leave it after a crash
        path.write_bytes(bytes(len(data)))
    else:  # one bit of the weights
        with zipfile.ZipFile(path) as archive:
            name, = [n for n in archive.namelist() if n.endswith('data/0')]
            start = archive.getinfo(name).header_offset
        middle = start + 5000
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 4])
                         + data[middle + 1:])
    return path


@pytest.mark.parametrize('how', ['cut', 'empty', 'zeros', 'bit'])
def test_a_damaged_file_is_named_with_a_good_one(tmp_path, how):
    for n in (1, 2, 3, 4):
        save(tmp_path / f'epoch_{n}.pth')
        os.utime(tmp_path / f'epoch_{n}.pth', (n, n))
    save(tmp_path / 'best_accuracy_top1_epoch_1.pth')  # cannot be resumed
    damage(tmp_path / 'epoch_3.pth', 'cut')
    path = damage(tmp_path / 'epoch_4.pth', how)
    assert not checkpoints.is_complete(path)
    with pytest.raises(RuntimeError) as error:
        CheckpointLoader.load_checkpoint(str(path), 'cpu')
    message = str(error.value)
    assert message.startswith(str(path)) and 'damaged' in message
    assert f'--resume {tmp_path / "epoch_2.pth"}' in message


def test_without_a_good_one_it_says_so(tmp_path):
    path = damage(save(tmp_path / 'epoch_1.pth'), 'cut')
    with pytest.raises(RuntimeError, match='has no complete checkpoint'):
        checkpoints.load_checkpoint(str(path))


def test_from_where_a_run_goes_on(tmp_path):
    assert checkpoints.find_latest(tmp_path) is None
    assert checkpoints.find_latest(tmp_path / 'nothing') is None
    for n in (1, 2):
        save(tmp_path / f'epoch_{n}.pth')
        os.utime(tmp_path / f'epoch_{n}.pth', (n, n))
    first, second = (tmp_path / f'epoch_{n}.pth' for n in (1, 2))
    pointer = tmp_path / 'last_checkpoint'
    assert checkpoints.find_latest(tmp_path) == second
    pointer.write_text(str(first))
    assert checkpoints.find_latest(tmp_path) == first
    pointer.write_text('')  # killed while it was written
    assert checkpoints.find_latest(tmp_path) == second
    pointer.write_text('/elsewhere/epoch_1.pth')  # the folder was moved
    assert checkpoints.find_latest(tmp_path) == first
    pointer.write_text('/elsewhere/epoch_9.pth')
    assert checkpoints.find_latest(tmp_path) == second
    damage(second, 'cut')
    assert checkpoints.find_latest(tmp_path) == first


def test_old_formats_are_loaded(tmp_path):
    path = tmp_path / 'old.pth'
    torch.save(dict(w=torch.ones(3)), path,
               _use_new_zipfile_serialization=False)
    assert checkpoints.load_checkpoint(str(path))['w'].sum() == 3


def test_code_in_the_config_of_a_checkpoint_is_left_out(tmp_path, mm_log):
    """MMEngine's Runner.resume executes ``meta['config']``."""
    path = save(tmp_path / 'a.pth', meta=dict(epoch=1, config='import os'))
    loaded = CheckpointLoader.load_checkpoint(str(path), 'cpu')
    assert loaded['meta'] == dict(epoch=1)
    assert str(path) in mm_log.text and 'Python' in mm_log.text


@pytest.fixture
def server(tmp_path):
    """A host of checkpoints, on this machine."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    httpd = http.server.ThreadingHTTPServer(
        ('127.0.0.1', 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=httpd.serve_forever, daemon=True,
                     kwargs=dict(poll_interval=.01)).start()
    yield f'http://127.0.0.1:{httpd.server_port}'
    httpd.shutdown()


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """Where downloads go."""
    compat.enable()
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache' / 'hub' / 'checkpoints'


@pytest.mark.parametrize('how', ['cut', 'empty', 'zeros', 'bit'])
def test_damaged_downloads_are_refused(tmp_path, server, downloads, how):
    path = damage(save(tmp_path / 'net.pth'), how)
    with pytest.raises(checkpoints.CheckpointError) as error:
        CheckpointLoader.load_checkpoint(f'{server}/net.pth', 'cpu')
    message = str(error.value)
    assert message.startswith(f'{server}/net.pth is not a complete check')
    copy, = downloads.iterdir()
    assert f'Remove its copy, {copy}, to' in message
    assert '--resume' not in message and '--trust' not in message
    copy.unlink()  # and a good one is loaded
    save(path)
    assert CheckpointLoader.load_checkpoint(f'{server}/net.pth', 'cpu')


def test_a_page_instead_of_a_download(tmp_path, server, downloads):
    (tmp_path / 'net.pth').write_text('<html>Please log in</html>')
    with pytest.raises(checkpoints.CheckpointError, match='a web page'):
        CheckpointLoader.load_checkpoint(f'{server}/net.pth', 'cpu')


def test_downloads_that_fail_are_named(server, downloads):
    for url in f'{server}/none.pth', 'http://127.0.0.1:9/none.pth':
        with pytest.raises(checkpoints.CheckpointError,
                           match=f'{url} could not be downloaded to'):
            CheckpointLoader.load_checkpoint(url, 'cpu')
    assert not list(downloads.iterdir())


def test_hashes_of_downloads_are_checked(tmp_path, server, downloads):
    save(tmp_path / 'net-0123abcd.pth')
    with pytest.raises(checkpoints.CheckpointError, match='invalid hash'):
        checkpoints.load_url(f'{server}/net-0123abcd.pth', check_hash=True)
    assert checkpoints.load_url(f'{server}/net-0123abcd.pth',
                                file_name='other.pth')
    assert os.listdir(downloads) == ['other.pth']


@pytest.fixture
def trusted():
    compat.enable()
    compat.trust_checkpoints()
    yield
    compat.enable.cache_clear()
    compat.enable()


def test_downloads_can_be_trusted(tmp_path, server, downloads, trusted):
    target = tmp_path / 'executed'
    save(tmp_path / 'evil.pth', extra=Evil(str(target)))
    compat.enable()  # as hooks do, which are built later
    CheckpointLoader.load_checkpoint(f'{server}/evil.pth', 'cpu')
    assert target.exists()
    damage(save(tmp_path / 'net.pth'), 'bit')  # trust is not blindness
    with pytest.raises(checkpoints.CheckpointError, match='checksum'):
        CheckpointLoader.load_checkpoint(f'{server}/net.pth', 'cpu')


def test_downloads_execute_nothing(tmp_path, server, downloads):
    target = tmp_path / 'executed'
    save(tmp_path / 'evil.pth', extra=Evil(str(target)))
    url = f'{server}/evil.pth'
    with pytest.raises(RuntimeError, match=f'Refused to load {url}'):
        CheckpointLoader.load_checkpoint(url, 'cpu')
    assert not target.exists()
    good = save(tmp_path / 'good.pth', meta=dict(config='import os'))
    loaded = CheckpointLoader.load_checkpoint(f'{server}/good.pth', 'cpu')
    assert 'config' not in loaded['meta']
    expected = torch.load(good)['state_dict']['w']
    assert torch.equal(loaded['state_dict']['w'], expected)


def test_trust_is_asked_for(tmp_path):
    target = tmp_path / 'executed'
    path = save(tmp_path / 'a.pth', extra=Evil(str(target)))
    with pytest.raises(RuntimeError, match='--trust-checkpoint'):
        CheckpointLoader.load_checkpoint(str(path), 'cpu')
    assert not target.exists()
    compat.enable()
    compat.trust_checkpoints()
    compat.enable()  # as hooks do, which are built later
    try:
        CheckpointLoader.load_checkpoint(str(path), 'cpu')
    finally:
        compat.enable.cache_clear()
        compat.enable()
    assert target.exists()
    with pytest.raises(RuntimeError, match=re.escape(str(path))):
        CheckpointLoader.load_checkpoint(str(path), 'cpu')
