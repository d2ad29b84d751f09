"""A lock that dies with its owner, whoever that is."""
import os
import signal
import subprocess
import sys
import time

import pytest

from alignmix_mm.cli.comparing.lock import locked

HOLD = '''
import pathlib, sys, time
from alignmix_mm.cli.comparing.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print('held', flush=True)
    time.sleep(60)
'''


@pytest.fixture
def owner(tmp_path):
    """Another process that has the folder."""
    process = subprocess.Popen(
        [sys.executable, '-c', HOLD, str(tmp_path)], stdout=subprocess.PIPE,
        text=True)
    assert process.stdout.readline() == 'held\n'
    yield process
    process.kill()
    process.wait()


@pytest.mark.process
def test_a_second_process_is_refused_until_the_first_is_killed(
        tmp_path, owner):
    with pytest.raises(SystemExit) as error, locked(tmp_path):
        pass
    assert str(error.value) == (
        f'Another process ({owner.pid}) works in {tmp_path}. Wait for it, '
        'stop it, or give another --work-dir.')
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    with locked(tmp_path):
        assert (tmp_path / '.lock').read_text() == str(os.getpid())


@pytest.mark.process
def test_waiting_for_the_first_to_end(tmp_path, owner):
    start = time.monotonic()
    subprocess.Popen(['sh', '-c', f'sleep .3; kill -9 {owner.pid}'])
    with locked(tmp_path, wait=True):
        assert time.monotonic() - start > .2


def test_the_lock_is_free_again(tmp_path):
    for _ in range(2):
        with locked(tmp_path / 'new'):
            pass


@pytest.mark.process
def test_forked_workers_do_not_keep_it(tmp_path):
    with locked(tmp_path):
        worker = os.fork()
        if not worker:
            time.sleep(60)
            os._exit(0)
    code = ('import pathlib, sys; from alignmix_mm.cli.comparing.lock import '
            'locked\nwith locked(pathlib.Path(sys.argv[1])): pass')
    try:
        assert not subprocess.run(
            [sys.executable, '-c', code, str(tmp_path)]).returncode
    finally:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
