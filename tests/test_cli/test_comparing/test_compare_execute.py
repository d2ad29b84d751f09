"""Runs in processes of their own: killed, stopped, submitted."""
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from commands import alignmix
from comparisons import compare, results, write_config
from conftest import ROOT

from alignmix_mm.cli.comparing.execute import EXECUTORS, Resources, here
from alignmix_mm.cli.comparing.tasks import CONFIG

WORDS = '--metrics', 'accuracy', '--budget', '11it'


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    return write_config(tmp_path_factory.mktemp('data'))


def words_of(config, folder, methods, seeds):
    return [config, '--methods', *methods, '--seeds', seeds, *WORDS,
            '--work-dir', folder]


def files_of(folder):
    return sum(1 for path in folder.rglob('*') if path.is_file())


def start(words, **options):
    return subprocess.Popen(
        [sys.executable, '-m', 'alignmix_mm', 'compare', *map(str, words)],
        cwd=ROOT, env={**os.environ, 'OMP_NUM_THREADS': '1'}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def kill_at_random(words, folder, times, seed):
    """Kill a comparison again and again, each time after some new files."""
    numbers = random.Random(seed)
    killed = 0
    while killed < times:
        process = start(words)
        until = files_of(folder) + numbers.randint(1, 7)
        while process.poll() is None and files_of(folder) < until:
            time.sleep(.02)
        time.sleep(numbers.random() / 2)
        if process.poll() is not None:  # it was complete before
            break
        process.kill()
        process.wait()
        killed += 1
    return killed


@pytest.mark.process
@pytest.mark.parametrize('times, methods, seeds, jobs', [
    (1, ['alignmix'], 1, 1),
    pytest.param(20, ['none', 'mixup', 'alignmix'], 2, 2,
                 marks=pytest.mark.slow)], ids=['1', '20'])
def test_killed_at_any_moment(config, tmp_path, times, methods, seeds, jobs):
    killed, whole = tmp_path / 'killed', tmp_path / 'whole'
    words = [*words_of(config, killed, methods, seeds), '--jobs', jobs]
    count = kill_at_random(words, killed, times, seed=times)
    process = start(words)
    output, _ = process.communicate(timeout=600)
    assert not process.returncode, output[-3000:]
    compare(*words_of(config, whole, methods, seeds))
    assert results(killed) == results(whole)
    print(f'{count} kills')
    assert count == times


@pytest.mark.process
def test_a_run_that_fails_says_why(tmp_path):
    (tmp_path / 'bad').mkdir()
    (tmp_path / 'bad' / CONFIG).write_text('model = dict(\n')
    (folder, error), = here([tmp_path / 'bad'], Resources())
    assert folder == tmp_path / 'bad'
    assert 'is not valid Python: line 1' in error and 'run.log' in error


def hear_ctrl_c():
    """As in a terminal; a process that runs in the background ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.process
def test_ctrl_c_saves_the_runs(config, tmp_path):
    process = start([*words_of(config, tmp_path, ['none'], 1), '--budget',
                     '5000it'], preexec_fn=hear_ctrl_c)
    log = tmp_path / 'runs' / 'none_seed0'
    while not list(log.glob('*/vis_data/scalars.json')):
        time.sleep(.05)
        assert process.poll() is None, process.stdout.read()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert output.strip().splitlines()[-1] == (
        'Stopped. The same command goes on.')
    assert 'Traceback' not in output
    assert (log / 'interrupted.pth').exists()
    assert not (log / 'result.json').exists()


@pytest.mark.process
@pytest.mark.slow
def test_jobs_of_submitit_give_the_same_table(config, tmp_path):
    pytest.importorskip('submitit')
    methods = ['none', 'alignmix']
    jobs, whole = tmp_path / 'jobs', tmp_path / 'whole'
    output = alignmix('compare', *words_of(config, jobs, methods, 1),
                      '--executor', 'submitit-local', '--jobs', 2, '--time',
                      9, OMP_NUM_THREADS='1')
    assert '[2/2] ' in output
    compare(*words_of(config, whole, methods, 1))
    assert results(jobs) == results(whole)


def test_submitit_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, 'submitit', None)
    for name in ('slurm', 'submitit-local'):
        with pytest.raises(SystemExit, match='pip install submitit'):
            next(EXECUTORS[name]([], Resources()))
