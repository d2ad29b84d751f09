"""The evaluations from the command line, on a plain ImageClassifier."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from mmpretrain.registry import MODELS

PLAIN = f"""
_base_ = [{str(ROOT / 'configs/demo/baseline_digits.py')!r},
          {str(ROOT / 'configs/_base_/datasets/ood_32px.py')!r}]
test_evaluator = [dict(type='Accuracy', topk=(1, )),
                  dict(type='CalibrationError')]
"""
OOD = """
_base_ = './plain.py'
noise = _base_.ood_sets.uniform
noise.num_images = 333
test_dataloader = dict(batch_size=64, dataset=dict(
    _delete_=True, type='OODTestSets', known=_base_.test_dataloader.dataset,
    unknown=dict(noise=noise, gone=_base_.ood_sets.iSUN)))
test_evaluator = dict(_delete_=True, type='OODDetection')
"""
CASES = {'calibration': ('plain.py', []), 'ood': ('ood.py', []),
         'attack': ('plain.py', ['--attack', 'fgsm', 'pgd'])}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Configs, and an untrained network with which everything can happen."""
    path = tmp_path_factory.mktemp('evaluation')
    (path / 'plain.py').write_text(PLAIN)
    (path / 'ood.py').write_text(OOD)
    torch.manual_seed(0)
    model = MODELS.build(dict(
        type='ImageClassifier',
        backbone=dict(type='ResNet_CIFAR', depth=18, stem_channels=16,
                      base_channels=16, strides=(2, 2, 2, 1)),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=10, in_channels=128)))
    torch.save(dict(state_dict=model.state_dict()), path / 'ckpt.pth')
    return path


def launch(command, folder, work_dir):
    result = subprocess.run(
        [*command, str(work_dir)], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PORT': '29518',
             'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}'})
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-4000:]
    metrics, = Path(work_dir).glob('*/metrics.json')
    return json.loads(metrics.read_text()), output, metrics.parent


@pytest.mark.parametrize('case', CASES)
def test_two_processes_give_the_numbers_of_one(case, folder, tmp_path):
    """900 and 1,233 images do not divide into the batches of two processes."""
    config, options = CASES[case]
    command = [str(folder / config), str(folder / 'ckpt.pth')]
    one, output, run = launch(
        [sys.executable, 'tools/test.py', *command, *options, '--work-dir'],
        folder, tmp_path / 'one')
    if case == 'calibration':
        assert (run / 'reliability.png').is_file()
        assert sum(json.loads(
            (run / 'reliability.json').read_text())['count']) == 900
    if case == 'ood':
        assert "'gone' is left out: there is no folder data/iSUN" in output
        assert '| noise |' in output and '| 900 | 333 |' in output
    if torch.cuda.is_available():
        return
    two, *_ = launch(
        ['bash', 'tools/dist_test.sh', *command, '2', *options,
         '--work-dir'], folder, tmp_path / 'two')
    assert one.keys() == two.keys()
    assert one == pytest.approx(two, abs=1e-9)


@pytest.mark.parametrize('options', [
    ['--amp'], ['--tta'], ['--out', 'pred.pkl']])
def test_attacks_refuse_what_they_cannot_do(options, folder):
    result = subprocess.run(
        [sys.executable, 'tools/test.py', str(folder / 'plain.py'),
         str(folder / 'ckpt.pth'), '--attack', 'fgsm', *options],
        cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2
    assert '--out-item metrics' in result.stderr


def test_several_tables_in_one_diagram(tmp_path):
    table = dict(ece=.1, oe=0., edges=[0., .5, 1.], count=[0, 4],
                 conf=[None, .8], acc=[None, .9])
    paths = []
    for name in 'ab':
        paths.append(tmp_path / name / 'reliability.json')
        paths[-1].parent.mkdir()
        paths[-1].write_text(json.dumps(table))
    out = tmp_path / 'figure.svg'

    def draw(*options):
        return subprocess.run(
            [sys.executable, str(ROOT / 'tools/plot_reliability.py'),
             *map(str, paths), *options, '--out', str(out)], cwd=tmp_path,
            capture_output=True, text=True)

    result = draw('--labels', 'Baseline', 'AlignMix')
    assert result.returncode == 0, result.stderr
    assert 'AlignMix: ECE 10.00 %' in out.read_text()
    assert 'need as many labels' in draw('--labels', 'one').stderr
    paths[0].write_text('{}')
    assert 'is no table of CalibrationError' in draw().stderr
