"""What of a log is shown, and how errors are said."""
import logging

import pytest
from mmengine.config import Config

from alignmix_mm.cli.common.terminal import is_shown
from alignmix_mm.cli.errors import brief_errors


def shown(text, with_bar=False, level=logging.INFO, **extra):
    record = logging.makeLogRecord(dict(msg=text, levelno=level, **extra))
    return is_shown(record, with_bar)


TRAIN = 'Epoch(train)  [1][10/47]  lr: 1e-3  eta: 0:00:04  loss: 1.1'
STEP = 'Epoch(val)  [1][10/34]    eta: 0:00:04  time: 0.2  data_time: 0.1'
VAL = 'Epoch(val) [1][34/34]    accuracy/top1: 26.6667  time: 0.2'


@pytest.mark.parametrize('text, file, terminal', [
    (TRAIN, True, False), (STEP, True, False), (VAL, True, True),
    ('Iter(train) [10/47]  lr: 1e-3  loss: 1.1', True, False),
    ('AlignMix at the neck: alignment changes', True, True),
    ('resumed epoch: 2, iter: 4', True, True),
    ('\n-----\nSystem environment:\n    sys.platform: linux', False, False),
    ('Config:\nmodel = dict()', False, False),
    ('Hooks will be executed in the following order:\n', False, False),
    ('Saving checkpoint at 3 epochs', False, False)])
def test_lines_of_the_log(text, file, terminal):
    assert shown(text) is file
    assert shown(text, with_bar=True) is terminal


def test_warnings_are_shown_but_not_mmengines_of_itself():
    assert shown('5 images are broken', True, logging.WARNING)
    assert not shown('"FileClient" will be deprecated in future.', True,
                     logging.WARNING)


WORKER = '''Caught OSError in DataLoader worker process 0.
Original Traceback (most recent call last):
  File "loading.py", line 3, in transform
OSError: a.jpg cannot be read as an image: it is empty.
'''


def test_an_error_of_a_worker_is_its_last_line():
    """torch puts the worker's traceback into the text."""
    with pytest.raises(SystemExit) as end, brief_errors():
        raise OSError(WORKER)
    assert end.value.code == (
        'OSError: a.jpg cannot be read as an image: it is empty. '
        '(--debug shows where)')
    with pytest.raises(OSError), brief_errors(debug=True):
        raise OSError(WORKER)


def test_a_config_in_the_folder_of_its_run_stays(tmp_path):
    from alignmix_mm.cli.common.terminal import QuietRunner
    text = '# mine\na = 1\n'
    for name in 'run', 'elsewhere':
        (tmp_path / name).mkdir()
        (tmp_path / name / 'config.py').write_text(text)
        runner = QuietRunner.__new__(QuietRunner)
        runner.cfg = Config.fromfile(tmp_path / name / 'config.py')
        runner._work_dir = str(tmp_path / 'run')
        runner.dump_config()
        assert ((tmp_path / 'run' / 'config.py').read_text() == text) == (
            name == 'run')
