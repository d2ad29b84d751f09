"""Training and testing from the command line, on real digits."""
import json
import re
from pathlib import Path

import mmpretrain
import pytest
import torch
from commands import alignmix, process, python
from conftest import ROOT

MIM_TOOLS = Path(mmpretrain.__file__).parent / '.mim' / 'tools'
CONFIG = 'configs/demo/alignmix_digits.py'
SHORT = ['--cfg-options', 'train_cfg.max_epochs=2',
         'train_cfg.val_interval=2', 'default_hooks.checkpoint.interval=1',
         'default_hooks.logger.interval=1']


def losses(output):
    return [float(x) for x in re.findall(r'Epoch\(train\).*loss: (\S+)',
                                         output)]


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Work directory and output of two epochs of the demo's config."""
    work_dir = tmp_path_factory.mktemp('digits')
    output = alignmix('train', CONFIG, '--work-dir', work_dir, *SHORT)
    return work_dir, output


def test_training_writes_checkpoints(trained):
    work_dir, output = trained
    assert len(losses(output)) == 4
    assert {path.name for path in work_dir.glob('*.pth')} == {'epoch_2.pth'}
    assert 'accuracy/top1' in output


@pytest.mark.process
@pytest.mark.parametrize('door', [
    ['tools/train.py'], ['-m', 'alignmix_mm', 'train']])
def test_the_doors_train_alike_with_a_quiet_log(trained, door, tmp_path):
    output = python(*door, CONFIG, '--work-dir', tmp_path, *SHORT,
                    'val_dataloader.dataset.indices=100')
    # the seed is drawn, so the figures are not those of `trained`
    assert len(losses(output)) == len(losses(trained[1])) == 4
    for noise in ('pkg_resources', 'MultiScaleDeformableAttention',
                  'FileClient', 'HardDiskBackend', 'no accelerator'):
        assert noise not in output


def test_testing_gives_metrics(trained, tmp_path):
    """Those of the validation that ended the training."""
    work_dir, output = trained
    out = tmp_path / 'metrics.json'
    alignmix('test', CONFIG, work_dir / 'epoch_2.pth', '--work-dir', tmp_path,
             '--out', out, '--out-item', 'metrics')
    seen, = re.findall(r'Epoch\(val\).*accuracy/top1: (\S+)', output)
    assert json.loads(out.read_text())['accuracy/top1'] == pytest.approx(
        float(seen), abs=1e-3)


@pytest.mark.process
def test_testing_equals_mmpretrains_own_tool(trained, tmp_path):
    work_dir, _ = trained
    checkpoint = work_dir / 'epoch_2.pth'
    ours, theirs = tmp_path / 'ours.json', tmp_path / 'theirs.json'
    alignmix('test', CONFIG, checkpoint, '--work-dir', tmp_path, '--out', ours,
             '--out-item', 'metrics')
    python(MIM_TOOLS / 'test.py', CONFIG, checkpoint, '--work-dir', tmp_path,
           '--out', theirs, '--out-item', 'metrics')
    metrics = json.loads(ours.read_text())
    assert metrics == json.loads(theirs.read_text())
    assert 5 < metrics['accuracy/top1'] <= 100


def test_resume_continues_steps_and_draws(trained):
    work_dir, _ = trained
    before = torch.load(work_dir / 'epoch_2.pth', weights_only=False)
    assert before['message_hub']['runtime_info']['mix_draws'] == (3, 1)
    output = alignmix('train', CONFIG, '--work-dir', work_dir, '--resume',
                      *SHORT, 'train_cfg.max_epochs=3')
    assert 'resumed epoch: 2, iter: 4' in output
    assert len(losses(output)) == 2
    after = torch.load(work_dir / 'epoch_3.pth', weights_only=False)
    assert after['message_hub']['runtime_info']['mix_draws'] == (5, 1)
    # put it back for the other tests of this module
    (work_dir / 'epoch_3.pth').unlink()
    torch.save(before, work_dir / 'epoch_2.pth')


def test_predictions_tta_and_pictures(trained, tmp_path):
    work_dir, _ = trained
    out = tmp_path / 'predictions.pkl'
    output = alignmix(
        'test', CONFIG, work_dir / 'epoch_2.pth', '--tta', '--work-dir',
        tmp_path, '--out', out, '--cfg-options',
        'test_dataloader.dataset.indices=40')
    assert 'accuracy/top1' in output and out.stat().st_size > 1000


@pytest.mark.parametrize('command, args, message', [
    ('train', [CONFIG, '--amp'], '--amp needs a GPU'),
    ('train', [CONFIG, '--auto-scale-lr'], 'base_batch_size'),
    ('train', ['configs/alignmix_r50_imagenet.py'],
     "'data/imagenet', which does not exist"),
    ('train', ['configs/none.py'], 'none.py'),
    ('test', [CONFIG, 'none.pth'], 'none.pth'),
    ('test', [CONFIG, 'x.pth', '--out-item', 'pred'], '--out'),
    ('test', ['configs/alignmix_r18_cifar10.py', 'x.pth'], 'no checkpoint'),
    ('test', [CONFIG, 'README.md'], 'README.md is not a complete check'),
    ('train', [CONFIG, '--resume', 'docs'], 'cannot be read: Is a directory'),
])
def test_mistakes_are_named(command, args, message, tmp_path):
    if '--amp' in args and torch.cuda.is_available():
        pytest.skip('a GPU is here, so --amp works')
    code = 2 if '--out-item' in args else 1
    output = alignmix(command, *args, '--work-dir', tmp_path, code=code)
    assert message in output.strip().splitlines()[-1]


TWO_LINES = """
_base_ = ['mmpretrain::_base_/models/resnet18_cifar.py',
          'mmpretrain::_base_/schedules/cifar10_bs128.py',
          'mmpretrain::_base_/default_runtime.py']
data_preprocessor = dict(num_classes=10)
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler'),
    dataset=dict(type='alignmix_mm.Digits', indices=4,
                 pipeline=[dict(type='PackInputs')]))
val_cfg = test_cfg = None
train_cfg = dict(by_epoch=True, max_epochs=1)
model = dict(
    type='{prefix}AlignMixClassifier',
    train_cfg=dict(augments=[dict(type='{prefix}AlignMix', alpha=2.0)]))
"""


@pytest.mark.process
def test_mmpretrains_own_tool_trains_without_an_import_line(tmp_path):
    config = tmp_path / 'two_lines.py'
    config.write_text(TWO_LINES.format(prefix='alignmix_mm.'))
    output = python(MIM_TOOLS / 'train.py', config, '--work-dir', tmp_path,
                    '--no-persistent-workers', '--cfg-options',
                    'default_hooks.logger.interval=1')
    assert len(losses(output)) == 2 and 'nan' not in output


def test_names_alone_need_no_import_line_with_our_tool(tmp_path):
    config = tmp_path / 'two_lines.py'
    config.write_text(TWO_LINES.format(prefix=''))
    output = alignmix('train', config, '--work-dir', tmp_path,
                      '--cfg-options', 'default_hooks.logger.interval=1')
    assert len(losses(output)) == 2


# mixing inside the backbone at one of three places, blocks checkpointed
DEEP = f"""
_base_ = {str(ROOT / CONFIG)!r}
model = dict(
    backbone=dict(with_cp=True), mix_at=['layer3', 'layer4.0', None],
    neck=dict(_delete_=True, type='GlobalAveragePooling'))
"""


@pytest.mark.process
@pytest.mark.parametrize('config', [
    pytest.param(CONFIG, marks=pytest.mark.slow), 'deep.py'])
def test_two_processes_without_a_gpu(config, tmp_path):
    """gloo; the shell script passes everything on."""
    if config == 'deep.py':
        config = str(tmp_path / config)
        Path(config).write_text(DEEP)
    if torch.cuda.is_available():
        pytest.skip('tests the way without a GPU')
    output = process(
        'bash', 'tools/dist_train.sh', config, 2, '--work-dir', tmp_path,
        '--cfg-options', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1',
        'default_hooks.checkpoint.interval=1',
        'val_dataloader.dataset.indices=101',
        'default_hooks.logger.interval=1')
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert 'Distributed launcher: pytorch' in log and 'GPU number: 2' in log
    assert len(losses(output)) == 1  # 100 images: 50 for each process
    assert 'accuracy/top1' in output
    assert (tmp_path / 'epoch_1.pth').is_file()


@pytest.mark.slow
def test_real_images_in_folders(shared_data, tmp_path):
    """alignmix_r18_cifar10 on real CIFAR-10 images, trained and tested."""
    data = tmp_path / 'cifar10'
    python(shared_data / 'unpack.py', 'cifar10', data, '--limit', 64)
    options = [
        '--cfg-options', 'train_cfg.max_epochs=1', 'param_scheduler.0.end=1',
        'default_hooks.checkpoint.interval=1',
        'default_hooks.logger.interval=1', 'train_dataloader.num_workers=0',
        'train_dataloader.batch_size=32', 'val_dataloader.num_workers=0',
        'test_dataloader.num_workers=0']
    config = 'configs/demo/alignmix_r18_cifar10_folder.py'
    output = alignmix('train', config, '--work-dir', tmp_path, *options,
                      ALIGNMIX_CIFAR10=str(data))
    assert len(losses(output)) == 2
    assert all(1.5 < loss < 4 for loss in losses(output))
    trained = re.findall(r'Epoch\(val\).*accuracy/top1: (\S+)', output)
    output = alignmix(
        'test', config, tmp_path / 'epoch_1.pth', '--work-dir', tmp_path,
        *options, ALIGNMIX_CIFAR10=str(data))
    tested = re.findall(r'Epoch\(test\).*accuracy/top1: (\S+)', output)
    assert trained == tested and len(tested) == 1
