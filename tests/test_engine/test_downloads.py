"""A download is kept under a name that says what it is."""
import hashlib
import http.server
import threading
from functools import partial

import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader

from alignmix_mm.engine import compat, downloads


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A host of files, on this machine, and the folder that it serves."""
    requests = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, text, *details):
            requests.append(self.path)

    folder = tmp_path / 'host'
    folder.mkdir()
    httpd = http.server.ThreadingHTTPServer(
        ('127.0.0.1', 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    compat.enable()
    yield f'http://127.0.0.1:{httpd.server_port}', folder, requests
    httpd.shutdown()


def load(url):
    return float(CheckpointLoader.load_checkpoint(url, 'cpu')['w'])


def test_two_files_of_one_name(server):
    host, folder, requests = server
    for number, run in enumerate(('first', 'second')):
        (folder / run).mkdir()
        torch.save(dict(w=torch.tensor(float(number))),
                   folder / run / 'epoch_1.pth')
    urls = [f'{host}/{run}/epoch_1.pth' for run in ('first', 'second')]
    assert [load(url) for url in urls] == [0, 1]
    assert [load(url) for url in urls] == [0, 1]
    assert len(requests) == 2  # the second time, from the disk
    # a query is part of what a URL names
    assert load(f'{urls[1]}?version=2') == 1 and len(requests) == 3


def test_names_with_a_digest_are_shared_with_torch(server, tmp_path):
    """Where files were put before, to be there without a network."""
    host, folder, requests = server
    cache = tmp_path / 'cache' / 'hub' / 'checkpoints'
    cache.mkdir(parents=True)
    torch.save(dict(w=torch.tensor(5.)), tmp_path / 'file')
    data = (tmp_path / 'file').read_bytes()
    name = f'net-{hashlib.sha256(data).hexdigest()[:8]}.pth'
    (cache / name).write_bytes(data)
    assert load(f'{host}/{name}') == 5 and not requests
    # another file under that name is not taken for it
    torch.save(dict(w=torch.tensor(7.)), cache / name)
    (folder / name).write_bytes(data)
    assert load(f'{host}/{name}') == 5 and len(requests) == 1


@pytest.mark.parametrize('url, name', [
    ('https://a.b/c/epoch_1.pth', 'epoch_1.pth'),
    ('https://a.b/c/my%20net.safetensors?x=/y', 'my net.safetensors'),
    ('https://a.b/net-abc.pth', 'net-abc.pth')])
def test_names_can_be_read(tmp_path, url, name):
    path = downloads.cached_file(url, tmp_path)
    assert path.parent == tmp_path
    assert path.name[13:] == name and path.name[12] == '_'
    assert path != downloads.cached_file(url + '#', tmp_path)
