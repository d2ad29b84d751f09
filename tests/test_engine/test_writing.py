"""Files that are whole, whoever writes and whoever is killed."""
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from alignmix_mm.engine import writing


def test_what_was_written_is_there(tmp_path):
    path = tmp_path / 'new' / 'file'
    writing.write_whole(b'first', path)
    writing.write_whole(b'second', str(path))
    assert path.read_bytes() == b'second'
    assert os.listdir(path.parent) == ['file']


def test_the_old_file_stays_until_the_new_one_is_flushed(
        tmp_path, monkeypatch):
    path, seen = tmp_path / 'file', []
    path.write_bytes(b'old')

    def look(step, call):
        def run(*args):
            seen.append((step, path.read_bytes(), [
                other.read_bytes() for other in tmp_path.glob('*.part')]))
            return call(*args)
        return run

    monkeypatch.setattr(writing.os, 'fsync', look('flush', os.fsync))
    monkeypatch.setattr(writing.Path, 'replace',
                        look('rename', writing.Path.replace))
    writing.write_whole(b'new', path)
    assert seen == [(step, b'old', [b'new']) for step in ('flush', 'rename')]
    assert path.read_bytes() == b'new' and os.listdir(tmp_path) == ['file']


KILLED = '''
import sys
from pathlib import Path
from alignmix_mm.engine.writing import write_whole
path = Path(sys.argv[1])
print('ready', flush=True)
for n in range(100000):
    write_whole(bytes([n % 251]) * 30_000_000, path)
'''


@pytest.mark.process
@pytest.mark.parametrize('delay', [.02, .05, .13, .3])
def test_a_killed_process_leaves_a_whole_file(tmp_path, delay):
    path = tmp_path / 'file'
    path.write_bytes(b'old')
    process = subprocess.Popen([sys.executable, '-c', KILLED, str(path)],
                               stdout=subprocess.PIPE, text=True)
    # forks of the stack print before
    assert 'ready\n' in iter(process.stdout.readline, '')
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    data = path.read_bytes()
    assert data == b'old' or (
        len(data) == 30_000_000 and len(set(data)) == 1)


@pytest.fixture
def small_files():
    """The limit of the size of files stands for that of the disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def test_no_space_left(tmp_path, small_files):
    path = tmp_path / 'epoch_2.pth'
    path.write_bytes(b'old')
    with pytest.raises(OSError) as error:
        writing.write_whole(b'x' * 3_000_000, path)
    message = str(error.value)
    assert str(path) in message and '2.9 MiB' in message
    assert '--resume' in message and 'max_keep_ckpts' in message
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['epoch_2.pth']


def test_two_writers_of_one_file(tmp_path):
    """Both succeed each time, and what is there is one of the two."""
    path, errors = tmp_path / 'file', []

    def write(letter):
        try:
            for _ in range(50):
                writing.write_whole(letter * 100_000, path)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(letter, ))
               for letter in (b'a', b'b', b'c')]
    for thread in threads:
        thread.start()
    seen = set()
    while any(thread.is_alive() for thread in threads):
        seen.add(path.read_bytes() if path.exists() else b'a' * 100_000)
    assert not errors
    assert seen <= {letter * 100_000 for letter in (b'a', b'b', b'c')}
    assert os.listdir(tmp_path) == ['file']


def test_files_have_the_permissions_of_any_file(tmp_path):
    plain = tmp_path / 'plain'
    plain.write_bytes(b'')
    writing.write_whole(b'', tmp_path / 'whole')
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_what_nobody_writes_any_more_is_removed(tmp_path, monkeypatch):
    left = [tmp_path / name for name in (
        'a.pth.part', 'a.pth.0123456789ab.part', 'b.pth.x.part')]
    others = [tmp_path / name for name in ('c.part', 'a.pth', 'd.pth.par')]
    for path in (*left, *others):
        path.write_bytes(b'half')

    def look(file):
        """While another file is written: it stays."""
        writing.remove_unfinished(tmp_path, '*.pth')
        written, = tmp_path.glob('e.pth.*.part')
        assert set(tmp_path.glob('*.part')) == {others[0], written}

    monkeypatch.setattr(writing.os, 'fsync', look)
    writing.write_whole(b'whole', tmp_path / 'e.pth')
    assert {path.name for path in tmp_path.iterdir()} == {
        'e.pth', *(path.name for path in others)}
    writing.remove_unfinished(tmp_path / 'nothing')


def test_a_file_that_was_removed_before_it_was_locked(tmp_path, monkeypatch):
    """By a run that starts at that moment: the writer takes another one."""
    lock, names = writing._lock, []

    def be_late(file):
        names.append(file.name)
        if len(names) == 1:
            os.unlink(file.name)
        return lock(file)

    monkeypatch.setattr(writing, '_lock', be_late)
    writing.write_whole(b'whole', tmp_path / 'file')
    assert len(set(names)) == 2
    assert (tmp_path / 'file').read_bytes() == b'whole'


def test_without_locks_nothing_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, 'fcntl', None)
    writing.write_whole(b'whole', tmp_path / 'a')
    (tmp_path / 'a.part').write_bytes(b'')
    writing.remove_unfinished(tmp_path)
    assert len(os.listdir(tmp_path)) == 2
