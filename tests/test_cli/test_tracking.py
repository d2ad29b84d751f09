"""A bar on a terminal, plain lines elsewhere."""
import os
import pty
import subprocess
import sys

import pytest

pytestmark = pytest.mark.process
SCRIPT = '''
from alignmix_mm.cli.common import tracked
for n in tracked(range(3), 'Counting'):
    print('line', n)
'''


def test_a_terminal_shows_the_bar_below_the_lines():
    """A real one: both ends of a pseudo-terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, '-c', SCRIPT], stdout=theirs,
        env={**os.environ, 'TERM': 'xterm', 'COLUMNS': '80'})
    os.close(theirs)
    shown = b''
    while True:
        try:
            part = os.read(ours, 1024)
        except OSError:  # Linux: the other end was closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait() == 0
    text = shown.decode()
    assert 'Counting' in text and '100%' in text
    assert [f'line {n}' in text for n in range(3)] == [True] * 3
    # gone at the end: the last thing written erases its line
    assert text.rindex('\x1b[2K') > text.rindex('Counting')


def test_a_pipe_gets_the_lines_alone():
    result = subprocess.run([sys.executable, '-c', SCRIPT], check=True,
                            capture_output=True, text=True)
    assert result.stdout == 'line 0\nline 1\nline 2\n'
    assert 'Counting' not in result.stderr
