"""A method from the docs page trains without an edit to the package."""
import json
import re
import sys

import pytest
from commands import alignmix, process
from conftest import ROOT

PAGE = ROOT / 'docs' / 'own_method.md'


@pytest.fixture
def typed(tmp_path):
    """The files of the page, in a folder."""
    blocks = re.findall(r'```python\n# (\S+)\n(.*?)```', PAGE.read_text(),
                        re.S)
    assert [name for name, _ in blocks] == ['triple_mix.py',
                                            'triple_digits.py']
    for name, code in blocks:
        (tmp_path / name).write_text(code)
    return tmp_path


def options(folder):
    return [folder / 'triple_digits.py', '--work-dir', folder / 'run',
            '--cfg-options', 'train_cfg.max_epochs=2',
            'model.backbone.base_channels=4',
            'model.neck.embed.in_channels=512',
            'default_hooks.logger.interval=1', '--no-validate']


def check(folder):
    scalars, = (folder / 'run').glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in scalars.read_text().splitlines()]
    losses = [line['loss_triple'] for line in lines if 'loss_triple' in line]
    assert len(losses) > 2 and all(0 < loss < 10 for loss in losses)


def test_it_trains(typed, monkeypatch):
    monkeypatch.syspath_prepend(typed)
    alignmix('train', *options(typed))
    check(typed)


@pytest.mark.process
@pytest.mark.slow  # the same main() in a process of its own
def test_it_trains_through_tools_train(typed):
    process(sys.executable, ROOT / 'tools' / 'train.py', *options(typed),
            cwd=typed, PYTHONPATH='.')
    check(typed)
