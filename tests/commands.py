"""Run commands, in this process or in a separate one."""
import contextlib
import io
import os
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from unittest import mock

from conftest import ROOT


def alignmix(*words, code=0, **environment):
    """Run `alignmix WORDS` in this process, from the root of the checkout.

    Args:
        *words: Command and arguments.
        code (int): Expected exit status. Defaults to 0.
        **environment: Environment variables.

    Returns:
        str: What it printed and logged.
    """
    from alignmix_mm.cli.main import main
    output, status = io.StringIO(), 0
    with (mock.patch.dict(os.environ, environment),
          _chdir(ROOT),
          contextlib.redirect_stdout(output),
          contextlib.redirect_stderr(output)):
        try:
            status = main(list(map(str, words))) or 0
        except SystemExit as error:  # as the interpreter treats it
            status = error.code or 0
            if isinstance(status, str):
                print(status)
                status = 1
        except Exception:
            traceback.print_exc(file=output)
            status = 1
        finally:
            forget_run()
    text = output.getvalue()
    assert status == code, text[-4000:]
    return text


def process(*words, code=0, cwd=ROOT, **environment):
    """Run a program in a separate process.

    Args:
        *words: Program and arguments.
        code (int): Expected exit status. Defaults to 0.
        cwd (Path): Working directory. Defaults to the checkout.
        **environment: Environment variables.

    Returns:
        str: Standard output and error.
    """
    environment = {
        **os.environ, 'OMP_NUM_THREADS': '1', 'PORT': str(free_port()),
        'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
        **environment}
    result = subprocess.run(list(map(str, words)), cwd=cwd, env=environment,
                            capture_output=True, text=True)
    output = result.stdout + result.stderr
    assert result.returncode == code, output[-4000:]
    return output


def python(*words, **options):
    """Run Python in a separate process; see :func:`process`."""
    return process(sys.executable, *words, **options)


def free_port():
    """Find a free port, so that tests can run in parallel."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def _chdir(folder):  # contextlib has it since Python 3.11
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def forget_run():
    """Remove MMEngine's loggers and hubs, which would outlive the run."""
    from mmengine.utils import ManagerMixin
    for kind in _subclasses(ManagerMixin):
        kind._instance_dict.clear()


def _subclasses(kind):
    for sub in kind.__subclasses__():
        yield sub
        yield from _subclasses(sub)
