"""The evaluations from the command line, on a plain ImageClassifier."""
import json
from pathlib import Path

import pytest
import torch
from commands import alignmix, process
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
# an odd number of images: attacks take 23 passes through the network
QUICK = {'calibration': ['test_dataloader.batch_size=50'],
         'ood': ['test_dataloader.batch_size=64'],
         'attack': ['test_dataloader.dataset.indices=99',
                    'test_dataloader.batch_size=25']}
FEWER = {'calibration': ['test_dataloader.dataset.indices=301'],
         'ood': ['test_dataloader.dataset.known.indices=151',
                 'test_dataloader.dataset.unknown.noise.num_images=83'],
         'attack': []}


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


def metrics_in(work_dir):
    file, = Path(work_dir).glob('*/metrics.json')
    return json.loads(file.read_text()), file.parent


@pytest.mark.parametrize('case', CASES)
def test_one_process(case, folder, tmp_path):
    config, options = CASES[case]
    output = alignmix('test', folder / config, folder / 'ckpt.pth', *options,
                      '--work-dir', tmp_path, '--cfg-options', *QUICK[case])
    metrics, run = metrics_in(tmp_path)
    assert metrics
    if case == 'calibration':
        assert (run / 'reliability.png').is_file()
        assert sum(json.loads(
            (run / 'reliability.json').read_text())['count']) == 900
    if case == 'ood':
        assert "'gone' is left out: there is no folder data/iSUN" in output
        assert '| noise |' in output and '| 900 | 333 |' in output
    if case == 'attack':
        assert metrics['pgd/error_top1'] >= metrics['clean/error_top1']


@pytest.mark.process
@pytest.mark.skipif(torch.cuda.is_available(), reason='for CPUs')
@pytest.mark.parametrize('case', [
    pytest.param(case, marks=[pytest.mark.slow] if case != 'attack' else [])
    for case in CASES])
def test_two_processes_give_the_numbers_of_one(case, folder, tmp_path):
    """301, 234 and 99 images do not divide into batches of two processes."""
    config, options = CASES[case]
    command = [folder / config, folder / 'ckpt.pth']
    changes = QUICK[case] + FEWER[case]
    alignmix('test', *command, *options, '--work-dir', tmp_path / 'one',
             '--cfg-options', *changes)
    process('bash', 'tools/dist_test.sh', *command, 2, *options, '--work-dir',
            tmp_path / 'two', '--cfg-options', *changes)
    one, two = (metrics_in(tmp_path / name)[0] for name in ('one', 'two'))
    assert one.keys() == two.keys()
    assert one == pytest.approx(two, abs=1e-9)


@pytest.mark.parametrize('options', [
    ['--amp'], ['--tta'], ['--out', 'pred.pkl']])
def test_attacks_refuse_what_they_cannot_do(options, folder):
    output = alignmix('test', folder / 'plain.py', folder / 'ckpt.pth',
                      '--attack', 'fgsm', *options, code=2)
    assert '--out-item metrics' in output


def test_several_tables_in_one_diagram(tmp_path):
    table = dict(ece=.1, oe=0., edges=[0., .5, 1.], count=[0, 4],
                 conf=[None, .8], acc=[None, .9])
    paths = []
    for name in 'ab':
        paths.append(tmp_path / name / 'reliability.json')
        paths[-1].parent.mkdir()
        paths[-1].write_text(json.dumps(table))
    out = tmp_path / 'figure.svg'

    def draw(*options, code=0):
        return alignmix('visualize', 'reliability', *paths, *options, '--out',
                        out, code=code)

    draw('--labels', 'Baseline', 'AlignMix')
    assert 'AlignMix: ECE 10.00 %' in out.read_text()
    assert 'each of the 2 tables' in draw('--labels', 'one', code=2)
    paths[0].write_text('{}')
    assert 'is not a table of CalibrationError' in draw(code=1)
