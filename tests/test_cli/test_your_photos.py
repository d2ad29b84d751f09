"""The page 'Your own photos', typed as it is written, on 60 photographs."""
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import torch
from commands import python
from conftest import ROOT
from mmpretrain import get_model

from alignmix_mm.cli.main import COMMANDS

PAGE = ROOT / 'docs' / 'your_photos.md'
CLASSES = ('dress', 'hat', 'shoes')
COUNTS = dict(train=12, val=4, test=4)


def lines():
    blocks = re.findall(r'```(?:shell|console)\n(.*?)```', PAGE.read_text(),
                        re.S)
    return [line for block in blocks for line in block.strip().split('\n')]


@pytest.fixture(scope='module')
def folder(shared_data, tmp_path_factory):
    """Photos and weights, as the page has them in the current folder."""
    folder = tmp_path_factory.mktemp('page')
    python(shared_data / 'unpack.py', 'clothing', folder / 'all')
    for split, count in COUNTS.items():
        for name in CLASSES:
            target = folder / 'photos' / split / name
            target.mkdir(parents=True)
            for path in sorted((folder / 'all' / split / name).iterdir()
                               )[:count]:
                shutil.copy(path, target)
    shutil.rmtree(folder / 'all')
    backbone = get_model('resnet18_8xb32_in1k').backbone
    torch.save(backbone.state_dict(), folder / 'resnet18.pth')
    return folder


@pytest.mark.slow
@pytest.mark.process
def test_the_page_as_it_is_written(folder):
    typed = [shlex.split(line) for line in lines()]
    assert [words[1] for words in typed] == [
        'train', 'train', 'test', 'predict', 'predict', 'export']
    for words in typed:
        if words[1] not in COMMANDS:
            continue
        result = subprocess.run(
            [sys.executable, '-m', 'alignmix_mm', *words[1:]], cwd=folder,
            capture_output=True, text=True)
        output = result.stdout + result.stderr
        assert result.returncode == 0, (words, output[-3000:])
        assert 'Traceback' not in output
    run = folder / 'work_dirs' / 'photos_resnet18_alignmix'
    assert (run / 'config.py').is_file() and (run / 'epoch_10.pth').is_file()
    assert len(list(run.glob('best_*.pth'))) == 1
